"""Backups, restores, and what has to die after one."""
