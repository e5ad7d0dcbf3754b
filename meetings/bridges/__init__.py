"""Remote rooms of a meeting: their list, who leads them, how they are heard, and when one is lost."""
