"""Polls, ballots, turnout, outcome: the room that the others copy."""
