"""Bytes that must not change: kept, checked, signed and shown. Knows no word of what the papers are about."""
