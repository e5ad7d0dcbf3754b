"""People, their posts and their passwords."""
