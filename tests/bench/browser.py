"""A browser without a screen: one kept connection to a loopback address, its cookies, and the forms of pages."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from ipaddress import ip_address
from urllib.parse import urlencode, urljoin, urlsplit

import httptools


class Lost(ConnectionError):
    """The connection ended before the answer was whole; `spoken` tells whether any of it came."""

    def __init__(self, *, spoken: bool) -> None:
        super().__init__("the connection was lost")
        self.spoken = spoken


@dataclass(slots=True)
class Answer:
    status: int = 0
    location: str = ""
    cookies: list[str] = field(default_factory=list)
    body: bytes = b""

    @property
    def is_redirect(self) -> bool:
        return self.status in (301, 302, 303, 307, 308)


class Connection(asyncio.Protocol):
    """HTTP/1.1 with one request under way."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def send(self, request: bytes) -> "asyncio.Future[Answer]":
        assert self.transport
        self._answer, self._waiting = Answer(), asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] - uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(Lost(spoken=bool(self._answer.status)))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            assert self.transport
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        known = name.lower()
        self._answer.status = self._parser.get_status_code()
        if known == b"location":
            self._answer.location = value.decode("latin-1")
        elif known == b"set-cookie":
            self._answer.cookies.append(value.decode("latin-1"))

    def on_body(self, body: bytes) -> None:
        self._answer.body += body

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive() and self.transport:
            self.transport.close()
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(self._answer)


class Browser:
    """Speaks to one address on this machine, and to no other; `port`: to what stands behind the one of the address."""

    def __init__(self, address: str, port: int | None = None) -> None:
        parts = urlsplit(address)
        assert parts.hostname
        assert ip_address(parts.hostname).is_loopback, "this client loads servers on this machine only"
        self.address, self.cookies = address, dict[str, str]()
        self._host, self._port, self._netloc = parts.hostname, port or parts.port or 80, parts.netloc
        self._connection = Connection()

    async def send(
        self, method: str, path: str, form: Mapping[str, str] | None = None, headers: Sequence[str] = (), *, app: bool = False
    ) -> Answer:
        """One request. `app`: it comes from the application, which has no cookies. `path` may be an address of this server."""
        target = urlsplit(path)
        lines = [
            f"{method} {target.path}{'?' if target.query else ''}{target.query} HTTP/1.1",
            f"Host: {self._netloc}",
            *headers,
        ]
        if self.cookies and not app:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        body = b""
        if form is not None:
            body = urlencode(form).encode()
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        answer = await self._exchange("\r\n".join([*lines, "", ""]).encode() + body)
        if not app:
            self._keep(answer.cookies)
        return answer

    async def _exchange(self, request: bytes) -> Answer:
        kept = self._connection.is_open
        try:
            return await self._once(request)
        except Lost as error:
            if not kept or error.spoken:
                raise
            return await self._once(request)  # a server may end a kept connection just then (RFC 9112, 9.3.1)

    async def _once(self, request: bytes) -> Answer:
        if not self._connection.is_open:
            loop = asyncio.get_running_loop()
            _, self._connection = await loop.create_connection(Connection, self._host, self._port)
        return await self._connection.send(request)

    def _keep(self, sent: list[str]) -> None:
        for line in sent:
            pair, _, attributes = line.partition(";")
            name, _, value = pair.strip().partition("=")
            if not value.strip('"') or "max-age=0" in attributes.lower().replace(" ", "") or "1970" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    async def submit(self, path: str, page: Answer, typed: Mapping[str, str]) -> tuple[str, Answer]:
        """Send the last form of a page with what is typed into those of its fields that it has; its address and answer."""
        forms = Forms(page.body.decode("utf-8", "replace")).found
        if not forms:
            raise Unexpected(path, page)
        action, fields = forms[-1]
        fields |= {name: value for name, value in typed.items() if name in fields}
        page_address = urljoin(self.address, path)
        headers = (f"Origin: {self.address}", f"Referer: {page_address}", "Sec-Fetch-Site: same-origin")
        sent_to = urljoin(page_address, action)
        return sent_to, await self.send("POST", sent_to, fields, headers)

    def close(self) -> None:
        if self._connection.transport:
            self._connection.transport.close()


class Forms(HTMLParser):
    """The forms of a page that are posted: where to, and their fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form" and known.get("method", "get").lower() == "post":
            self.found.append((known.get("action", ""), {}))
            self._inside = True
        elif self._inside and tag == "input" and "name" in known and known.get("type") not in ("checkbox", "radio"):
            self.found[-1][1][known["name"]] = known.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


class Unexpected(Exception):
    """An answer that no scenario goes on from."""

    def __init__(self, path: str, answer: Answer) -> None:
        super().__init__(f"{answer.status} at {path[:100]}: {answer.body[:300]!r}")
