"""The ground floor: what both houses on top stand on. Knows no domain word."""
