"""My applications, where I am signed in, my password."""
