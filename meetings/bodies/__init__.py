"""Councils and committees: their members, and their rules of quorum and majority."""
