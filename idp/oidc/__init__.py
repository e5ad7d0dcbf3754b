"""The protocol: OpenID Connect and OAuth 2.0. The only Authlib of the project.

Authlib gives the grammar (errors, PKCE, metadata, claims by scope); the state it leaves to its host (sessions, grants, codes,
rotation) is ours, and so is the order of steps: its server and grant classes would need an adapter longer than the steps.
"""
