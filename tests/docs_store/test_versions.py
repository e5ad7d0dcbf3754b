"""Documents, their versions, who may open them and how long they are kept."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from docs_store import versions
from docs_store.access import Rule, may_open
from docs_store.models import Document, DocumentVersion
from docs_store.problems import ArchivedDocument
from docs_store.store import Blob, Store, derive_key, open_store
from shared.db import Database
from shared.problems import NotFound

NOW = datetime(2026, 12, 9, 1, tzinfo=UTC)
TABLES = [Document.__table__, DocumentVersion.__table__]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/x.db")
    Document.metadata.create_all(database.engine, tables=TABLES)  # type: ignore[arg-type]
    yield database
    database.close()


@pytest.fixture
def kept() -> Store:
    return open_store("memory://", derive_key("x" * 32, "documents"))


def add(db: Database, document_id: str, blob: Blob, *text: str) -> int:
    with db.write() as tx:
        document = tx.get_one(Document, document_id)
        return versions.append(tx, document, blob, NOW, name="Tờ trình.pdf", added_by="s1", pages=len(text), text=text).number


def new(db: Database) -> str:
    with db.write() as tx:
        return versions.create(tx, NOW).id


def test_versions_are_numbered_and_the_last_is_current(db: Database) -> None:
    document = new(db)
    assert [add(db, document, Blob("a" * 64, 1)), add(db, document, Blob("b" * 64, 2))] == [1, 2]
    with db.read() as tx:
        assert versions.find(tx, document).number == 2
        assert versions.find(tx, document, 1).sha256 == "a" * 64
        for number in (0, 3):
            with pytest.raises(NotFound):
                versions.find(tx, document, number)
        with pytest.raises(NotFound):
            versions.find(tx, "no-such-document")


def test_a_withdrawn_version_gives_way_to_the_one_before(db: Database) -> None:
    document = new(db)
    add(db, document, Blob("a" * 64, 1))
    add(db, document, Blob("b" * 64, 1))
    with db.write() as tx:
        versions.withdraw(tx, versions.find(tx, document))
    with db.read() as tx:
        assert versions.find(tx, document).number == 1
        assert versions.find(tx, document, 2).state == "withdrawn"
    with db.write() as tx:
        versions.withdraw(tx, versions.find(tx, document))
    with db.read() as tx, pytest.raises(NotFound):
        versions.find(tx, document)


def test_an_archived_document_takes_no_version_and_gives_none_back(db: Database) -> None:
    document = new(db)
    add(db, document, Blob("a" * 64, 1))
    with db.write() as tx:
        versions.archive(tx.get_one(Document, document))
    with pytest.raises(ArchivedDocument):
        add(db, document, Blob("b" * 64, 1))
    with db.write() as tx, pytest.raises(ArchivedDocument):
        versions.withdraw(tx, versions.find(tx, document))


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ("trường sơn", [2]),
        ("truong son", [1, 2]),
        ("TRUONG", [1, 2]),
        ("đắk lắk", [2]),
        ("dak lak", [2]),
        ("100%", []),
        ("trướng", []),
    ],
)
def test_text_is_found_with_and_without_marks(db: Database, query: str, pages: list[int]) -> None:
    document = new(db)
    add(db, document, Blob("a" * 64, 1), "TRUONG SON", "Dãy Trường Sơn, tỉnh Đắk Lắk")
    with db.read() as tx:
        assert versions.pages_with(versions.find(tx, document), query) == pages


@pytest.mark.parametrize(
    ("rule", "principals", "allowed"),
    [
        (Rule(frozenset({"a", "b"})), {"b", "c"}, True),
        (Rule(frozenset({"a"})), {"c"}, False),
        (Rule(frozenset()), {"a"}, False),
        (Rule(frozenset({"a"})), set(), False),
        (Rule(frozenset({"a"}), NOW + timedelta(seconds=1)), {"a"}, True),
        (Rule(frozenset({"a"}), NOW), {"a"}, False),
    ],
)
def test_a_reader_may_open_until_the_rule_ends(rule: Rule, principals: set[str], allowed: bool) -> None:
    assert may_open(rule, principals, NOW) is allowed
