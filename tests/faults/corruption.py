"""What lies still and changes: one byte of a document, one row of a log. `verify` has to name it."""

import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from deploy.backup.verify import faults
from docs_store import versions
from docs_store.store import derive_key, open_store
from shared import clock, migrate
from shared.db import Database
from shared.settings import Settings
from tests.faults.table import Run, fault, twin
from tests.makers import make_house

MUTATIONS = 200
SECRET = "0123456789abcdef" * 3
EVENT = ("at", "actor", "level", "body", "previous", "hash")
RECORD = ("at", "actor", "act", "object", "facts", "previous", "hash")
Named = str  # what the line of the report has to contain


def settings(folder: Path) -> Settings:
    return Settings(
        public_url="https://hop.example",
        database_url=f"sqlite:///{folder}/meetings.db",
        storage_url=str(folder / "documents"),
        secret=SECRET,  # type: ignore[arg-type]
    )


def make(folder: Path) -> str:
    """A meeting with votes, and documents of several sizes; its id."""
    import meetings.app

    assert meetings.app
    given = settings(folder)
    store = open_store(given.storage_url, derive_key(SECRET, "documents"))
    with closing(Database(given.database_url)) as db:
        migrate.upgrade(db.engine, "meetings")
        house = make_house(db).open()
        for _ in range(3):
            poll = house.open_poll()
            for who in ("m3", "m4", "secretary"):
                house.cast(who, poll, "in_favour")
            house.close_poll(poll)
        for size in (0, 1, 5000, 300_000, 900_000):
            blob = store.put(random.Random(size).randbytes(size))
            with db.write() as tx:
                now = clock.now()
                versions.append(tx, versions.create(tx, now), blob, now, name=f"{size}.pdf", added_by="-")
    return house.meeting_id


def turn_a_bit(draw: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def a_byte_of_a_document(draw: random.Random, folder: Path, _tx: Session) -> Named:
    file = draw.choice(sorted((folder / "documents").glob("*/*")))
    file.write_bytes(turn_a_bit(draw, file.read_bytes()))
    return file.name


def a_lost_document(draw: random.Random, folder: Path, _tx: Session) -> Named:
    file = draw.choice(sorted((folder / "documents").glob("*/*")))
    file.unlink()
    return f"{file.name}: missing"


def a_field(table: str, columns: tuple[str, ...], name: str) -> Callable[[random.Random, Path, Session], Named]:
    """One sign of one column of one row is another."""

    def change(draw: random.Random, _folder: Path, tx: Session) -> Named:
        seq = draw.choice(tx.execute(text(f"SELECT seq FROM {table}")).scalars().all())  # noqa: S608
        column = draw.choice(columns)
        before = str(tx.execute(text(f"SELECT {column} FROM {table} WHERE seq = :seq"), {"seq": seq}).scalar_one())  # noqa: S608
        place = draw.randrange(len(before)) if before else 0
        sign = draw.choice([one for one in "0123456789abcdef" if before[place : place + 1] != one])
        after = before[:place] + sign + before[place + 1 :]
        if column == "at" and place >= len(before.rstrip("0")):
            after = before.replace(before[:4], "1999", 1)  # digits that an instant does not have
        tx.execute(text(f"UPDATE {table} SET {column} = :after WHERE seq = :seq"), {"after": after, "seq": seq})  # noqa: S608
        return f"{name} {seq}:"

    return change


def a_row_gone(table: str, name: str, *, but_last: bool) -> Callable[[random.Random, Path, Session], Named]:
    def delete(draw: random.Random, _folder: Path, tx: Session) -> Named:
        every = tx.execute(text(f"SELECT seq FROM {table} ORDER BY seq")).scalars().all()  # noqa: S608
        seq = draw.choice(every[:-1] if but_last else every)
        tx.execute(text(f"DELETE FROM {table} WHERE seq = :seq"), {"seq": seq})  # noqa: S608
        return f"{name} {seq}: missing"

    return delete


def two_rows_swapped(table: str, name: str) -> Callable[[random.Random, Path, Session], Named]:
    def swap(draw: random.Random, _folder: Path, tx: Session) -> Named:
        one, other = draw.sample(tx.execute(text(f"SELECT seq FROM {table}")).scalars().all(), 2)  # noqa: S608
        for before, after in ((one, -1), (other, one), (-1, other)):
            tx.execute(text(f"UPDATE {table} SET seq = :after WHERE seq = :before"), {"after": after, "before": before})  # noqa: S608
        return f"{name} {one}:"

    return swap


def a_ballot(draw: random.Random, _folder: Path, tx: Session) -> Named:
    key = draw.choice(tx.execute(text("SELECT key FROM ballot")).scalars().all())
    tx.execute(text("UPDATE ballot SET choice = 'against' WHERE key = :key"), {"key": key})
    return "poll-"


def the_head(_draw: random.Random, _folder: Path, tx: Session) -> Named:
    tx.execute(text("UPDATE meeting_log SET hash = previous FROM (SELECT hash AS previous FROM event WHERE seq = 2)"))
    return "is not the end that the log knows"


KINDS = (
    a_byte_of_a_document,
    a_byte_of_a_document,
    a_lost_document,
    a_field("event", EVENT, "event"),
    a_field("event", EVENT, "event"),
    a_row_gone("event", "event", but_last=False),
    two_rows_swapped("event", "event"),
    a_field("audit_event", RECORD, "audit event"),
    a_row_gone("audit_event", "audit event", but_last=True),  # nothing tells how long the record was
    two_rows_swapped("audit_event", "audit event"),
    a_ballot,
    the_head,
)


def mutate(run: Run, count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="corruption-") as place:
        sound = Path(place) / "sound"
        make(sound)
        with closing(Database(settings(sound).database_url)) as db:
            assert list(faults(db, "meetings", settings(sound))) == []
        for number in range(count):
            draw, folder = random.Random(run.seed * 1000 + number), Path(place) / "changed"
            shutil.copytree(sound, folder)
            with closing(Database(settings(folder).database_url)) as db:
                kind = KINDS[number % len(KINDS)]
                with db.write() as tx:
                    tx.execute(text("PRAGMA defer_foreign_keys = ON"))
                    named = kind(draw, folder, tx)
                found = list(faults(db, "meetings", settings(folder)))
            run.runs += 1
            if not any(named in line for line in found):
                run.violations.append(f"I6 not named: {named} (mutation {number}); said {found[:3]}")
            shutil.rmtree(folder)


@fault("F18", "a document, an event, a vote changed where it lies", tiers="ab")
def changed_at_rest(run: Run) -> None:
    mutate(run, MUTATIONS if run.tier == "b" else 24)
    run.figure("not named, of all mutations", len(run.violations), 0)


@twin("F18", "a chain whose hashes are not compared")
def changed_at_rest_unseen(run: Run) -> None:
    from unittest import mock

    with (
        mock.patch("meetings.live.log.chain_faults", return_value=[]),
        mock.patch("shared.audit.chain_faults", return_value=[]),
    ):
        mutate(run, 24)
