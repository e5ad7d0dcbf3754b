"""What happens in a meeting, as a numbered log, and the sockets that read it aloud. Knows no room."""
