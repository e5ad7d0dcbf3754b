from collections.abc import Iterator

import pytest

from tests.docs_store import bucket as s3
from tests.docs_store.pki import running
from tests.docs_store.signatures import Case, make_case


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with running(tmp_path_factory.mktemp("pki")) as pki:
        yield make_case(pki)


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.running(tmp_path_factory.mktemp("nanio")) as url:
        yield url
