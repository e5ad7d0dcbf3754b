"""The command that rehearses a meeting, and how it tells what it found."""
