"""What can be exchanged at the token endpoint: one file a grant type, and the table of them."""
