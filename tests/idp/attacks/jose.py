"""Tokens put together by hand, byte by byte, so that each can be wrong in just one respect."""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from typing import Any

from jwt.algorithms import get_default_algorithms

ALGORITHMS = get_default_algorithms()


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


@dataclass(frozen=True)
class Signer:
    """A private key with the header that its tokens carry."""

    private: Any
    alg: str
    header: dict[str, Any]

    def signature(self, signed: str) -> str:
        return b64(ALGORITHMS[self.alg].sign(signed.encode(), self.private))

    def sign(self, claims: Any, **header: Any) -> str:
        """Any claims, under a header with changes; None leaves a member out."""
        return self.raw(json.dumps(claims).encode(), **header)

    def raw(self, payload: bytes, raw_header: bytes | None = None, **header: Any) -> str:
        known = {name: value for name, value in (self.header | header).items() if value is not None}
        signed = f"{b64(raw_header or json.dumps(known).encode())}.{b64(payload)}"
        return f"{signed}.{self.signature(signed)}"

    def under(self, **header: Any) -> "Signer":
        return replace(self, header=self.header | header)
