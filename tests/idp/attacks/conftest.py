"""One house for all attacks of a file: whatever they try, it stands."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.idp.conftest import House, Template, build, copy_of, settings_for
from tests.idp.walk import code_for


@pytest.fixture(scope="module")
def standing(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with copy_of(template.url, tmp_path_factory.mktemp("standing")) as url:
        app = build(settings_for(url))
        yield House(app, settings_for(url), template.filled)
        app.state.db.close()


@pytest.fixture
def house(standing: House) -> Iterator[House]:
    yield standing
    standing.app.dependency_overrides.clear()


@pytest.fixture(scope="module")
def person(standing: House) -> TestClient:
    """The browser of somebody who is signed in."""
    browser = standing.browser()
    code_for(standing, browser)
    return browser
