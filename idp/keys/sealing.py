"""Secrets at rest: AES-256-GCM under a key derived from the service's one secret."""

import os
from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(secret: str, purpose: str) -> bytes:
    """256 bits for one purpose (HKDF, RFC 5869); purposes do not learn of each other."""
    return HKDF(SHA256(), 32, salt=None, info=f"dienhong/{purpose}".encode()).derive(secret.encode())


def seal(secret: str, purpose: str, plain: bytes) -> str:
    nonce = os.urandom(12)
    return b64encode(nonce + AESGCM(derive(secret, purpose)).encrypt(nonce, plain, purpose.encode())).decode()


def unseal(secret: str, purpose: str, sealed: str) -> bytes:
    """Raises `cryptography.exceptions.InvalidTag` when the secret is another one or the text was changed."""
    raw = b64decode(sealed)
    return AESGCM(derive(secret, purpose)).decrypt(raw[:12], raw[12:], purpose.encode())
