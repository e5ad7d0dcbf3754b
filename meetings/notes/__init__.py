"""What a delegate writes on a paper: ink, highlights, remarks; private unless shared."""
