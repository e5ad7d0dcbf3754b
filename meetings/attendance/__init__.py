"""Who is here: check-in, roll call, quorum."""
