"""What we fetch from outside, and all that we do not (attacks S01 to S05)."""

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.oidc import outbound
from idp.oidc.outbound import Outbound
from idp.settings import IdpSettings
from tests.idp.conftest import settings_for
from tests.idp.outside import Outside, endlessly, many_headers, outside, slowly


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with outside(tmp_path_factory.mktemp("outside")) as world:
        yield world


def settings(hosts: str, ca: Path | None = None) -> IdpSettings:
    members = settings_for("sqlite:///unused.db").model_dump()
    return IdpSettings(**members | {"outbound_hosts": hosts, "outbound_ca": str(ca or "")})


def get(to: IdpSettings, *urls: str, door: Outbound | None = None, fresh: bool = False) -> list[bytes | None]:
    """Fetch them all at once."""

    async def work() -> list[bytes | None]:
        one = door or Outbound()
        return list(await asyncio.gather(*(one.get(to, url, fresh=fresh) for url in urls)))

    return asyncio.run(work())


def test_a_host_that_is_named_is_fetched_from_even_inside(world: Outside) -> None:
    world.pages["/keys"] = b'{"keys": []}'
    assert get(settings(world.netloc, world.ca), world.url("/keys")) == [b'{"keys": []}']
    assert world.hosts[-1] == world.netloc


def test_nothing_is_fetched_unless_it_is_configured(world: Outside) -> None:
    world.pages["/keys"] = b"{}"
    before = len(world.asked)
    for hosts in ("", "other.example.test", "*"):
        assert get(settings(hosts, world.ca), world.url("/keys")) == [None]
    assert len(world.asked) == before


def test_a_certificate_of_an_unknown_authority_or_for_another_name_is_not_trusted(world: Outside) -> None:
    world.pages["/keys"] = b"{}"
    assert get(settings(world.netloc), world.url("/keys")) == [None]
    other = f"127.0.0.2:{world.port}"  # the same machine, but the certificate is not for it
    assert get(settings(other, world.ca), f"https://{other}/keys") == [None]


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "017700000001",
            "0.0.0.0",  # noqa: S104
            "localhost",
            "localhost.",
            "169.254.169.254",
        ),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[64:ff9b:1::1]"),
    ],
)
def test_no_address_inside_is_reached_in_any_notation(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[Any] = []

    async def connect(*where: Any, **_more: Any) -> Any:
        dialled.append(where)
        raise OSError

    monkeypatch.setattr("anyio.connect_tcp", connect)
    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", connect)
    assert get(settings("*"), f"https://{host}/keys") == [None]
    assert not dialled


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe"])
def test_public_addresses_are_known_as_such(address: str) -> None:
    assert outbound._is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://{}/keys",
            "file:///etc/passwd",
            "gopher://{}/keys",
            "ftp://{}/keys",
            "//{}/keys",
            "\\\\{}\\keys",
            "{}/keys",
            "",
        ),
        *(
            "https://user@{}/keys",
            "https://{}@evil.test/keys",
            "https://[broken/keys",
            "https://{}:99999/keys",
            "https:///keys",
        ),
    ],
)
def test_only_https_to_a_plain_address_is_spoken(world: Outside, url: str) -> None:
    before = len(world.asked)
    assert get(settings(world.netloc, world.ca), url.format(world.netloc)) == [None]
    assert len(world.asked) == before


def test_a_redirect_is_not_followed(world: Outside) -> None:
    world.pages["/inner"] = b"secret"
    location = world.url("/inner").encode()
    for status in (301, 302, 303, 307, 308):
        away = b"HTTP/1.1 %d Away\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location)
        world.pages[f"/away/{status}"] = lambda send, away=away: send(away)  # type: ignore[misc]
        assert get(settings(world.netloc, world.ca), world.url(f"/away/{status}")) == [None]
    assert "/inner" not in world.asked


def test_a_name_is_resolved_once_and_that_address_is_the_one_dialled(world: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers with a public address first and an inner one next gains nothing."""
    real, answers = socket.getaddrinfo, iter(["9.9.9.9", "127.0.0.1", "127.0.0.1"])
    dialled: list[str] = []

    def resolve(host: Any, *more: Any, **named: Any) -> Any:
        if host != "rebind.example.test":
            dialled.append(str(host))
            raise OSError
        return real(next(answers), *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(outbound, "SECONDS", 1.0)
    before = len(world.asked)
    assert get(settings("*"), "https://rebind.example.test/keys") == [None]
    assert set(dialled) <= {"9.9.9.9"}
    assert (next(answers), len(world.asked)) == ("127.0.0.1", before)


@pytest.mark.parametrize("path", ["/slow", "/endless", "/headers", "/large", "/silent"])
def test_a_host_that_wears_us_out_is_left(world: Outside, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pages |= {"/slow": slowly, "/endless": endlessly, "/headers": many_headers, "/silent": lambda _send: time.sleep(3)}
    world.pages["/large"] = b"x" * (outbound.MOST_BYTES + 1)
    monkeypatch.setattr(outbound, "SECONDS", 1.0)
    began = time.monotonic()
    assert get(settings(world.netloc, world.ca), world.url(path)) == [None]
    assert time.monotonic() - began < 2.5


def test_what_is_just_small_enough_is_taken(world: Outside) -> None:
    assert outbound.MOST_BYTES * outbound.MOST_KEPT < 64 << 20, "strangers fill no memory"
    world.pages["/full"] = b"x" * outbound.MOST_BYTES
    assert get(settings(world.netloc, world.ca), world.url("/full")) == [b"x" * outbound.MOST_BYTES]


def test_nothing_is_unpacked(world: Outside) -> None:
    packed = gzip.compress(b"0" * (50 << 20))
    assert len(packed) < outbound.MOST_BYTES
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    world.pages["/bomb"] = lambda send: send(head + packed)
    assert get(settings(world.netloc, world.ca), world.url("/bomb")) == [packed]


def test_no_more_than_two_are_fetched_from_a_host_at_once(world: Outside) -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def linger(send: Any) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.2)
        with lock:
            under_way -= 1
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    world.pages |= {f"/linger/{number}": linger for number in range(6)}
    found = get(settings(world.netloc, world.ca), *(world.url(f"/linger/{number}") for number in range(6)))
    assert (found, most) == ([b"{}"] * 6, 2)


def test_what_was_fetched_is_kept_and_asked_for_anew_once_in_a_while(world: Outside) -> None:
    to, door, url = settings(world.netloc, world.ca), Outbound(), world.url("/rotating")
    world.pages["/rotating"] = b"first"
    assert get(to, url, door=door) == [b"first"]
    world.pages["/rotating"] = b"second"
    assert get(to, url, door=door) == [b"first"]
    assert get(to, url, door=door, fresh=True) == [b"second"]  # a key that is not there: at once
    world.pages["/rotating"] = b"third"
    assert get(to, url, door=door, fresh=True) == [b"second"]  # and not again before a minute has passed
    assert world.asked.count("/rotating") == 2


def test_a_failure_is_the_answer_for_some_seconds(world: Outside) -> None:
    to, door = settings(world.netloc, world.ca), Outbound()
    assert get(to, *[world.url("/gone")] * 3, door=door) == [None] * 3
    asked = world.asked.count("/gone")
    assert get(to, *[world.url("/gone")] * 3, door=door) == [None] * 3
    assert world.asked.count("/gone") == asked


def test_what_was_last_heard_counts_while_a_host_is_away(world: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    to, door, url = settings(world.netloc, world.ca), Outbound(), world.url("/away-now")
    world.pages["/away-now"] = b"kept"
    assert get(to, url, door=door) == [b"kept"]
    del world.pages["/away-now"]
    monkeypatch.setattr(outbound, "KEPT_SECONDS", 0.0)
    assert get(to, url, door=door) == [b"kept"]
