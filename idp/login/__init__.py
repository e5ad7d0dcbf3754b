"""A person proves who they are; `rules.next_step` decides what a stored authorization request needs next."""
