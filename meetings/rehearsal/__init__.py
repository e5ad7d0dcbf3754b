"""The dress rehearsal: tomorrow's meeting in a copy, with simulated delegates, against the server that will hold it."""
