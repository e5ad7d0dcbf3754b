"""Papers of an agenda item: upload, version, publish, withdraw, who has read."""
