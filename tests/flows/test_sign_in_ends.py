"""Whose sign-in ends at the provider, however it ends, loses the open line to the meeting, and finds no way back in."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from deploy.accounts import close_account, open_account
from idp.login.models import SignInSession
from shared import clock
from shared.db import Database
from shared.tokens import peek_claims
from tests.flows.conftest import Demo
from tests.flows.person import Person
from tests.meetings.lines import Line

SIGNED_OUT = 4401


class Delegate(Person):
    """Signed in at the meetings app itself, which the provider tells of sign-outs."""

    def __init__(self, demo: Demo, place: int) -> None:
        super().__init__(demo.facts, demo.people("member")[place])
        demo.persons.append(self)
        self.sign_in(client_id="meetings-web", redirect_uri=f"{self.demo['meetings']}/signed-in")

    def ticket(self) -> str:
        return str(self.must("POST", "ticket")["ticket"])

    def socket(self, ticket: str) -> ClientConnection:
        address = f"{self.demo['meetings'].replace('http', 'ws')}/api/live?ticket={ticket}"
        return connect(address, origin=self.demo["meetings"], max_size=None, close_timeout=2)

    def sign_out(self) -> None:
        """By the page of the provider to which the app leads."""
        asked = {"id_token_hint": self.tokens["id_token"], "client_id": "meetings-web"}
        page = self.follow(self.http.get(f"{self.demo['issuer']}/end_session", params=asked))
        assert 'id="signed-out"' in page.text

    def run_out(self, idp: Database) -> None:
        """As if the sign-in had come to its last hour."""
        with idp.write() as tx:
            tx.get_one(SignInSession, peek_claims(self.tokens["access_token"])["sid"]).expires_at = clock.now() - timedelta(
                hours=1
            )

    def ways_back(self, unused: str) -> tuple[int, int, str, str]:
        """What becomes of a ticket that was `unused` when the sign-in ended, of the access token and of the refresh token."""
        with pytest.raises(InvalidStatus) as away, self.socket(unused):
            pass
        refused = self.call("POST", "ticket")
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"], "client_id": "meetings-web"}
        renewed = self.http.post(f"{self.demo['issuer']}/token", data=form).json()
        return away.value.response.status_code, refused.status_code, refused.json()["code"], renewed["error"]


def test_who_signs_out_runs_out_of_time_or_loses_the_account_loses_the_line_and_has_no_way_back(demo, monkeypatch):
    url = f"sqlite:///{demo.folder}/demo/idp.db"
    monkeypatch.setenv("DATABASE_URL", url)
    idp = Database(url, alone=False)
    leaver, late, closed, other = (Delegate(demo, place) for place in range(30, 34))
    ended = leaver, late, closed
    with ExitStack() as stack:
        lines = [Line(stack.enter_context(one.socket(one.ticket()))) for one in (*ended, other)]
        seen = [line.hello()["snapshot"] for line in lines]
        unused = [one.ticket() for one in ended]
        late.run_out(idp)
        close_account(closed.username)
        leaver.sign_out()
        try:
            assert [line.closed() for line in lines[:3]] == [SIGNED_OUT] * 3
            for one, ticket in zip(ended, unused, strict=True):
                assert one.ways_back(ticket) == (403, 401, "session-ended", "invalid_grant")
        finally:
            open_account(closed.username)
            idp.close()
        assert lines[3].hello(seen[3]["epoch"], seen[3]["seq"])["events"] == [], "who stays hears on"
