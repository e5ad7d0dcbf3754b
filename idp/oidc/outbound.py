"""The few addresses that we fetch from: a client's keys, its request objects, its sector (RFC 7591, 9101; OpenID Connect); and
those at which clients that registered themselves hear of a sign-out.

Off unless configured (`OUTBOUND_HOSTS`). Only https, only addresses that were checked, small, soon, and never following.
"""

import asyncio
import ipaddress
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from anyio import to_thread

from idp.settings import IdpSettings

log = structlog.get_logger()
MOST_BYTES = 64 << 10  # as of a set of keys that is sent; a thousand are kept
MOST_HEADERS = 100  # of 100 KiB together, by the library
SECONDS = 5.0
AT_ONCE, AT_ONCE_IN_ALL = 2, 16  # from one host, and in all
KEPT_SECONDS = 600.0
AGAIN_SECONDS = 60.0  # a key that is not there makes us ask anew, at once but then not again before this
FAILED_SECONDS = 5.0  # for so long a failure is taken for the answer
MOST_KEPT = 1000
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
TUNNELS = (ipaddress.ip_network("2001::/32"), ipaddress.ip_network("2002::/16"))  # Teredo and 6to4 lead to any IPv4 address


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


@dataclass(slots=True)
class _Kept:
    body: bytes | None
    at: float
    anew_at: float  # when it was last asked for anew though it was kept


class Outbound:
    """What was fetched of late, and how many fetches are under way."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._all = asyncio.Semaphore(AT_ONCE_IN_ALL)

    async def get(self, settings: IdpSettings, url: str, *, fresh: bool) -> bytes | None:
        now, kept = time.monotonic(), self._kept.get(url)
        if kept and self._is_enough(kept, now, fresh=fresh):
            return kept.body
        found = await self._fetch(settings, url)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
            self._turns.clear()
        if found is None and kept and kept.body is not None:  # while the host is away, what was last heard from it
            kept.at, kept.anew_at = now - KEPT_SECONDS + FAILED_SECONDS, now
            return kept.body
        self._kept[url] = _Kept(found, time.monotonic(), now if fresh else -AGAIN_SECONDS)
        return found

    @staticmethod
    def _is_enough(kept: _Kept, now: float, *, fresh: bool) -> bool:
        if kept.body is None:
            return now - kept.at < FAILED_SECONDS
        return now - (kept.anew_at if fresh else kept.at) < (AGAIN_SECONDS if fresh else KEPT_SECONDS)

    async def _fetch(self, settings: IdpSettings, url: str) -> bytes | None:
        try:
            turn = self._turns.setdefault(urlsplit(url).netloc, asyncio.Semaphore(AT_ONCE))
            async with asyncio.timeout(SECONDS), turn, self._all:
                return await _get(settings, url)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TimeoutError) as error:
            log.warning("outbound.failed", url=url[:200], error=type(error).__name__)
            return None


async def fetch(app: Any, wish: MustFetch, into: Fetched) -> None:
    settings: IdpSettings = app.state.settings
    into[wish.url] = await app.state.outbound.get(settings, wish.url, fresh=wish.fresh)
    if wish.fresh:
        into[f"anew {wish.url}"] = None


@dataclass(frozen=True, slots=True)
class Dialled:
    """An address that may be called: by its number, so that nobody gives the name another meaning meanwhile."""

    url: str
    headers: dict[str, str]
    extensions: dict[str, str]


def dialled(settings: IdpSettings, url: str) -> Dialled:
    """Raises `ValueError` for one that may not. Asks for the name's address, which can take long."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    named = parts.netloc in settings.outbound_names or host in settings.outbound_names
    public = "*" in settings.outbound_names and port == 443
    if parts.scheme != "https" or "@" in parts.netloc or not (named or public):
        raise ValueError("not an address that may be fetched from")
    address = _checked_address(host, port, named)
    netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    pinned = parts._replace(netloc=netloc, fragment="").geturl()
    return Dialled(pinned, {"Host": parts.netloc, "Accept-Encoding": "identity"}, {"sni_hostname": host})


async def _get(settings: IdpSettings, url: str) -> bytes:
    to = await to_thread.run_sync(dialled, settings, url, abandon_on_cancel=True)
    async with (
        httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False, verify=settings.outbound_trust) as client,
        client.stream("GET", to.url, headers=to.headers, extensions=to.extensions) as answer,
    ):
        if answer.status_code != 200 or len(answer.headers) > MOST_HEADERS:
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
    """A global address that cannot lead anywhere else: no IPv4 address inside an IPv6 one."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if ip.version == 6 and (ip not in GLOBAL_UNICAST or any(ip in tunnel for tunnel in TUNNELS)):
        return False
    return ip.is_global and not ip.is_multicast
