"""One service for all attacks: our meeting in full course, and one of another body, whose people are called `x-...`."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from meetings import app as meetings_app
from meetings.access import actions as access
from meetings.agenda.models import Meeting
from meetings.bodies.models import Member
from meetings.voting.models import Poll
from shared import clock
from tests.client import QuickClient
from tests.makers import House, make_house
from tests.meetings.conftest import PUBLIC_URL, Web, make_settings
from tests.meetings.issuer import Issuer
from tests.meetings.test_relay_line import ROOM


class Standing(Web):
    theirs: House

    def fresh_poll(self) -> str:
        """A vote of ours that has just been opened; the one before is closed."""
        self.end_poll()
        self.poll = self.house.open_poll()
        return self.poll

    def end_poll(self) -> Poll | None:
        poll, self.poll = self.poll, ""
        return self.house.close_poll(poll) if poll else None

    poll = ""


@pytest.fixture(scope="session")
def standing(sqlite_template: Path, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("standing")
    shutil.copy(sqlite_template, folder / "meetings.db")
    settings = make_settings(f"sqlite:///{folder}/meetings.db", folder, issuer).model_copy(update={"relays": ROOM})
    app = meetings_app.build(settings)
    with QuickClient(app, base_url=PUBLIC_URL) as client:
        web = Standing(client, issuer, None)
        web.theirs = make_house(app.state.db).open()
        with app.state.db.write() as tx:
            access.name_administrator(tx, clock.now(), "administrator")
            body_id = tx.get_one(Meeting, web.theirs.meeting_id).body_id
            for member in tx.query(Member).filter_by(body_id=body_id):
                member.username = f"x-{member.username}"
        web.house = make_house(app.state.db).open()
        yield web
        if hasattr(app.state, "stop"):
            app.state.stop()


@pytest.fixture
def poll(standing: Standing) -> Iterator[str]:
    yield standing.fresh_poll()
    standing.end_poll()


@pytest.fixture
def fresh_house(standing: Standing) -> Iterator[House]:
    """A meeting of the test's own in place of ours."""
    house, standing.house = standing.house, make_house(standing.client.app.state.db)
    yield standing.house
    standing.house = house
