"""Signing keys: made once, kept encrypted, published as a JWKS."""
