"""What every refusal has in common, and clients to try it with."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from httpx2 import Response

from idp.clients.actions import register_client
from shared import clock
from shared.ids import new_id
from tests.idp.conftest import House, web_client

QUICK = 1.0  # seconds of the processor: what it guards against takes longer by far


@contextmanager
def one_refusal(house: House, act: str | None) -> Iterator[None]:
    """What happens in the block leaves exactly one event of a refusal, `act` (None: nothing is worth a row)."""
    before = house.events()
    yield
    refusals = [one for one in house.acts(since=before) if "refused" in one]
    assert refusals == ([act] if act else []), refusals


def check_page(answer: Response, code: str = "authorization-request-refused") -> None:
    """The refusal is told to the person, on a page of ours, and goes nowhere."""
    assert (answer.status_code, "location" in answer.headers) == (400, False), answer.headers.get("location")
    assert f"problem-{code}" in answer.text
    check_quiet(answer)


def check_error(answer: Response, status: int, *errors: str) -> None:
    """RFC 6749, 5.2."""
    assert (answer.status_code, answer.json()["error"] in errors) == (status, True), answer.text
    assert answer.headers["cache-control"] == "no-store"
    check_quiet(answer)


def check_quiet(answer: Response) -> None:
    """No word about the inside."""
    assert not any(word in answer.text for word in ("Traceback", "sqlalchemy", "psycopg", "joserfc", "authlib"))
    assert not re.search(r"\.py(?![\w-])", answer.text), "not the first signs of a signature, which may be these"


@contextmanager
def soon() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < QUICK


def new_client(house: House, **changes: Any) -> tuple[str, str]:
    """Id and secret of one more registered client."""
    client_id = f"c-{new_id()[:12]}"
    with house.db.write() as tx:
        _, secret = register_client(tx, clock.now(), web_client(**changes), client_id=client_id)
    return client_id, str(secret)
