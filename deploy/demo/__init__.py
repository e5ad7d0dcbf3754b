"""A fictitious province with real papers, keys and a second application: what the demonstration runs on."""
