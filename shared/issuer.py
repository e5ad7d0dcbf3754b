"""The keys of the configured issuer, fetched and kept: a service that takes its tokens works on while the issuer is away."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx2
import structlog

from shared.problems import Unavailable
from shared.tokens import Keys, import_keys, peek
from shared.trust import authorities

log = structlog.get_logger()
FRESH = 3600.0  # seconds for which keys are taken without asking again
REST, REST_AFTER_FAILURE = 10.0, 1.0  # seconds between two fetches


class IssuerKeys:
    """The configured issuer's published keys, fetched on first need and again when an unknown `kid` appears."""

    def __init__(self, issuer: str, fetch: Callable[[str], dict[str, Any]] | None = None) -> None:
        self._issuer, self._fetch = issuer, fetch or _get_json
        self._lock = threading.Lock()
        self._keys: Keys | None = None
        self._fetched = self._rests_until = 0.0

    def known(self, token: str) -> Keys | None:
        """The key set, if it is at hand, fresh, and knows the token's `kid`: this neither waits nor fetches."""
        return self._keys if time.monotonic() < self._fetched + FRESH and self._has(token) else None

    def find(self, token: str) -> Keys:
        """The key set that knows the token's `kid`; refetches at most every 10 s, after a failure every second, and at least
        every hour. While one waits for the issuer, tokens whose key was known go on with it."""
        if self._lock.acquire(blocking=not self._has(token)):
            try:
                if not self.known(token) and time.monotonic() >= self._rests_until:
                    self._refetch()
            finally:
                self._lock.release()
        if self._keys is None:
            raise Unavailable()
        return self._keys

    def _has(self, token: str) -> bool:
        kid = peek(token).get("kid")
        return self._keys is not None and any(key.kid == kid for key in self._keys.keys)

    def _refetch(self) -> None:
        rest = REST_AFTER_FAILURE
        try:
            metadata = self._fetch(f"{self._issuer}/.well-known/openid-configuration")
            self._keys = import_keys(self._fetch(metadata["jwks_uri"]))
            self._fetched, rest = time.monotonic(), REST
        except (httpx2.HTTPError, KeyError, TypeError, ValueError) as error:
            log.warning("issuer.away", error=type(error).__name__)
        finally:
            self._rests_until = time.monotonic() + rest


def _get_json(url: str) -> dict[str, Any]:
    answer = httpx2.get(url, timeout=5, follow_redirects=False, verify=authorities())
    answer.raise_for_status()
    return dict(answer.json())
