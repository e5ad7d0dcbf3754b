"""Notice of a meeting by mail with a calendar file, and the replies."""
