"""The web app as files, and the pages that work without it."""
