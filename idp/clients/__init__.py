"""Relying parties: who may ask for a sign-in, and where the answer may go."""
