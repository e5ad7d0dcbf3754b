"""Attacks that were published for providers like this one, each as a test under its number; docs/attacks.md is the table."""
