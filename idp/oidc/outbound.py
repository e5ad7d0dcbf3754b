"""The few addresses that we fetch from: a client's keys, its request objects, its sector (RFC 7591, 9101; OpenID Connect).

Off unless configured (`OUTBOUND_HOSTS`). Only https, only addresses that were checked, small, soon, and never following.
"""

import asyncio
import ipaddress
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from anyio import to_thread

from idp.settings import IdpSettings

log = structlog.get_logger()
MOST_BYTES = 1 << 20
SECONDS = 5.0
AT_ONCE = 2  # from one host
KEPT_SECONDS = 600.0
AGAIN_SECONDS = 60.0  # a key that is not there yet makes us ask again this soon at the earliest
MOST_KEPT = 1000


class MustFetch(Exception):
    """Raised inside a work: it will be run again when `url` was tried. `fresh`: what is kept of it was not enough."""

    def __init__(self, url: str, *, fresh: bool = False) -> None:
        super().__init__(url)
        self.url, self.fresh = url, fresh


class Fetched(dict[str, bytes | None]):
    """What was fetched for one request: None where it failed."""

    def need(self, url: str) -> bytes | None:
        """What stands there, or None where it cannot be had."""
        if url not in self:
            raise MustFetch(url)
        return self[url]

    def need_anew(self, url: str) -> bytes | None:
        """The same, asked for again: once in a request."""
        if f"anew {url}" not in self:
            raise MustFetch(url, fresh=True)
        return self[url]


class Outbound:
    """What was fetched of late, and how many fetches are under way."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, bytes]] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def get(self, settings: IdpSettings, url: str, *, fresh: bool) -> bytes | None:
        at, body = self._kept.get(url, (-KEPT_SECONDS, b""))
        if time.monotonic() - at < (AGAIN_SECONDS if fresh else KEPT_SECONDS):
            return body
        turn = self._turns.setdefault(urlsplit(url).netloc, asyncio.Semaphore(AT_ONCE))
        try:
            async with turn, asyncio.timeout(SECONDS):
                found = await _get(settings, url)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TimeoutError) as error:
            log.warning("outbound.failed", host=urlsplit(url).hostname, error=type(error).__name__)
            return None
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
            self._turns.clear()
        self._kept[url] = (time.monotonic(), found)
        return found


async def fetch(app: Any, wish: MustFetch, into: Fetched) -> None:
    settings: IdpSettings = app.state.settings
    into[wish.url] = await app.state.outbound.get(settings, wish.url, fresh=wish.fresh)
    if wish.fresh:
        into[f"anew {wish.url}"] = None


async def _get(settings: IdpSettings, url: str) -> bytes:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    named = parts.netloc in settings.outbound_names or host in settings.outbound_names
    if parts.scheme != "https" or not (named or "*" in settings.outbound_names):
        raise ValueError("not an address that may be fetched from")
    address = await to_thread.run_sync(_checked_address, host, port, named)
    netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    pinned = parts._replace(netloc=netloc).geturl()
    headers = {"Host": parts.netloc, "Accept-Encoding": "identity"}
    async with (
        httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False, verify=settings.outbound_trust) as client,
        client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": host}) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError("not found")
        body = b""
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ValueError("too large")
        return body


def _checked_address(host: str, port: int, named: bool) -> str:
    """One address of the host, resolved once; of a host that is not named in the settings only a public one."""
    found = [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not named and not all(_is_public(one) for one in found):
        raise ValueError("an address inside")
    return found[0]


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.split("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return ip.is_global and not ip.is_multicast and (inner is None or inner.is_global)
