"""The life of grants, as a machine that does whatever people and applications may do in any order, and knows what must hold."""

from dataclasses import dataclass, field
from typing import Any

import jwt
import time_machine
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from idp.accounts.actions import create_account, deactivate
from idp.accounts.models import Account
from idp.login.sessions import start_session
from idp.oidc.sweeping import sweep
from shared import clock
from shared.ids import new_id
from tests.idp.attacks.refusals import new_client
from tests.idp.conftest import PASSWORD, House
from tests.idp.walk import VERIFIER, answer_of, ask, read_form

SCOPES = ("openid", "profile", "offline_access")
ACCESS, CODE, GRACE = 600, 60, 10  # seconds
KEPT = 3500  # seconds, for which a code is known again at least
DAY = 13 * 3600  # longer than any session
PICK, SELDOM = st.sampled_from([0, 0, 1, 1, 2, 3]), st.sampled_from([False, False, False, False, True])  # the newest first


@dataclass(eq=False)
class Given:
    """A grant, as the model knows it."""

    client: str
    person: int
    sitting: int
    offline: bool
    revoked: bool = False


@dataclass(eq=False)
class Code:
    secret: str
    given: Given
    at: float
    used: bool = False


@dataclass(eq=False)
class Refresh:
    secret: str
    given: Given
    used_at: float | None = None
    next: "Refresh | None" = None


@dataclass(eq=False)
class Access:
    secret: str
    given: Given
    at: float
    revoked: bool = False


@dataclass
class Client:
    id: str
    secret: str
    scopes: list[str] = field(default_factory=lambda: list(SCOPES))


class Lives(RuleBasedStateMachine):
    """`house` is set by the test; time is real time, moved on."""

    house: House

    @initialize()
    def begin(self) -> None:
        self.traveller = time_machine.travel(clock.now(), tick=True)
        self.time = self.traveller.start()
        self.passed, self.sitting, self.person = 0.0, 0, 0
        self.over: set[int] = set()  # sittings that have ended
        self.closed: set[int] = set()  # persons whose accounts are closed
        self.codes: list[Code] = []
        self.refreshes: list[Refresh] = []
        self.known: list[Access] = []
        self.by_jti: dict[str, str] = {}
        self.subjects: dict[tuple[str, int], str] = {}
        self.sids: dict[tuple[str, int], str] = {}
        hosts = ("https://a.example.test/cb", "https://b.example.test/cb")
        members: dict[str, Any] = {"subject_type": "pairwise", "scopes": SCOPES}
        self.clients = [Client(*new_client(self.house, redirect_uris=(uri,), **members)) for uri in hosts]
        self.uris = dict(zip((one.id for one in self.clients), hosts, strict=True))
        self._new_person()

    def teardown(self) -> None:
        if hasattr(self, "traveller"):
            self.traveller.stop()

    def _new_person(self) -> None:
        self.person += 1
        self.username = f"nguoi{new_id()[:10]}"
        with self.house.db.write() as tx:
            made = create_account(
                tx, clock.now(), username=self.username, full_name="Lê Thử", honorific="Ông", password=PASSWORD
            )
            self.account_id = made.id
        self._sit_down()

    def _sit_down(self) -> None:
        self.sitting, self.sat_down = self.sitting + 1, self.passed
        self.browser = self.house.browser()
        with self.house.db.write() as tx:  # as after a right password, whose hash would take longer than all the rest
            members: dict[str, Any] = {"device": new_id(), "user_agent": ""}
            secret = start_session(tx, clock.now(), self.house.settings, self.account_id, None, **members)
        self.browser.cookies.set("__Host-idp", secret, domain="id.example.test")
        for number in (0, 1):
            self.ask_for_a_code(number, self.sitting % 3 == number, at_once=True)

    def _asked(self, client: Client, scope: str) -> dict[str, str]:
        return {"client_id": client.id, "redirect_uri": self.uris[client.id], "scope": scope}

    def _post(self, path: str, client: Client, **form: str) -> Any:
        return self.house.machine().post(path, data=form, auth=(client.id, client.secret))

    def _client(self, client_id: str) -> Client:
        return next(one for one in self.clients if one.id == client_id)

    def _lives(self, given: Given) -> bool:
        dead = given.revoked or given.person in self.closed
        return not dead and (given.offline or given.sitting not in self.over)

    @rule(number=st.integers(0, 1), offline=st.booleans(), at_once=st.sampled_from([True, True, False]))
    def ask_for_a_code(self, number: int, offline: bool, at_once: bool) -> None:
        client = self.clients[number]
        scope = "openid profile offline_access" if offline else "openid profile"
        answer = answer_of(self.browser.get("/authorize", params=ask(**self._asked(client, scope), prompt="none")))
        assert "code" in answer, answer
        given = Given(client.id, self.person, self.sitting, offline and "offline_access" in client.scopes)
        self.codes.append(Code(answer["code"], given, self.passed))
        if at_once:
            self.exchange(0, False)

    @precondition(lambda self: self.codes)
    @rule(pick=PICK, by_another=SELDOM)
    def exchange(self, pick: int, by_another: bool) -> None:
        code = self.codes[-1 - pick % len(self.codes)]
        client = next(c for c in self.clients if (c.id != code.given.client) == by_another)
        uri = self.uris[client.id]
        form = {"grant_type": "authorization_code", "code": code.secret, "redirect_uri": uri, "code_verifier": VERIFIER}
        late = abs(self.passed - code.at - CODE) < 3
        if not code.used and not by_another and self.passed - code.at < CODE:
            code.given.offline = code.given.offline and "offline_access" in client.scopes
        answer = self._post("/token", client, **form)
        good = not code.used and self.passed - code.at < CODE and client.id == code.given.client and self._lives(code.given)
        assert late or (answer.status_code == 200) == good, (answer.text, code)
        if code.used:
            code.given.revoked = True
        code.used = True
        if answer.status_code == 200:
            self._take(answer.json(), code.given, client)

    def _take(self, got: dict[str, Any], given: Given, client: Client, before: Refresh | None = None) -> Refresh:
        said = jwt.decode(got["access_token"], options={"verify_signature": False})
        assert said["client_id"] == client.id
        assert said["jti"] not in self.by_jti, "no two tokens are the same"
        self.by_jti[said["jti"]] = client.id
        sub = self.subjects.setdefault((client.id, given.person), said["sub"])
        assert said["sub"] == sub != self.account_id
        assert len(set(self.subjects.values())) == len(self.subjects), "no two clients know a person by the same name"
        assert self.sids.setdefault((client.id, given.sitting), said["sid"]) == said["sid"]
        assert len(set(self.sids.values())) == len(self.sids), "nor a session"
        assert set(got["scope"].split()) <= set(client.scopes)
        self.known.append(Access(got["access_token"], given, self.passed))
        if before and before.next:
            assert before.next.secret == got["refresh_token"]
            return before.next
        self.refreshes.append(Refresh(got["refresh_token"], given))
        return self.refreshes[-1]

    @precondition(lambda self: self.refreshes)
    @rule(pick=PICK, by_another=SELDOM)
    def renew(self, pick: int, by_another: bool) -> None:
        refresh = self.refreshes[-1 - pick % len(self.refreshes)]
        client = next(c for c in self.clients if (c.id != refresh.given.client) == by_another)
        answer = self._post("/token", client, grant_type="refresh_token", refresh_token=refresh.secret)
        since = None if refresh.used_at is None else self.passed - refresh.used_at
        again = since is not None and refresh.next is not None and refresh.next.used_at is None and since <= GRACE
        if not by_another and (since is None or again):
            refresh.given.offline = refresh.given.offline and "offline_access" in client.scopes
        good = self._lives(refresh.given) and not by_another and (since is None or again)
        unsure = since is not None and abs(since - GRACE) < 2
        assert unsure or (answer.status_code == 200) == good, (answer.text, refresh, since)
        if answer.status_code != 200:
            refresh.given.revoked = refresh.given.revoked or by_another or since is not None
            refresh.used_at = self.passed if since is None else refresh.used_at
            return
        following = self._take(answer.json(), refresh.given, client, refresh)
        refresh.used_at, refresh.next = self.passed if since is None else refresh.used_at, following

    @precondition(lambda self: self.refreshes)
    @rule(pick=PICK, whole=st.booleans())
    def take_back(self, pick: int, whole: bool) -> None:
        """A client takes back a token: one alone, or with a refresh token the whole grant."""
        refresh = self.refreshes[-1 - pick % len(self.refreshes)]
        mine = [one for one in self.known if one.given is refresh.given]
        client = self._client(refresh.given.client)
        if whole:
            assert self._post("/revoke", client, token=refresh.secret).status_code == 200
            refresh.given.revoked = True
        elif mine:
            assert self._post("/revoke", client, token=mine[-1].secret).status_code == 200
            mine[-1].revoked = True

    @rule(whether=st.sampled_from([False, False, True]))
    def sign_out(self, whether: bool) -> None:
        if not whether:
            return
        self.over.add(self.sitting)
        token = read_form(self.browser.get("/password"))[1]["form_token"]
        left = self.browser.post("/sign-out", data={"form_token": token}, headers={"sec-fetch-site": "same-origin"})
        assert left.status_code == 303
        self._sit_down()

    @rule(whether=st.sampled_from([False, False, True]))
    def close_the_account(self, whether: bool) -> None:
        if not whether:
            return
        self.closed.add(self.person)
        with self.house.db.write() as tx:
            deactivate(tx, clock.now(), tx.get_one(Account, self.account_id))
        self._new_person()

    @rule(number=st.integers(0, 1), scopes=st.sampled_from([SCOPES, ("openid",), ("openid", "profile")]))
    def change_what_a_client_may(self, number: int, scopes: tuple[str, ...]) -> None:
        self.clients[number].scopes = list(scopes)
        self.house.change_client(self.clients[number].id, scopes=list(scopes))

    @rule(seconds=st.sampled_from([3, 20, 20, 70, 700, DAY]))
    def time_passes(self, seconds: int) -> None:
        if self.passed + seconds - self.sat_down > 6 * 3600:
            seconds = DAY  # no session is left to go idle in between
        self.time.shift(seconds)
        self.passed += seconds
        if seconds == DAY:  # the day is over: the person comes back
            self.over.add(self.sitting)
            self._sit_down()

    @rule()
    def sweep(self) -> None:
        before = [self._active(one) for one in self.known]
        sweep(self.house.db, {})
        self.codes = [one for one in self.codes if self.passed - one.at < CODE + KEPT]  # of the others nothing is known
        assert [self._active(one) for one in self.known] == before

    def _active(self, access: Access) -> bool:
        told: bool = self._post("/introspect", self._client(access.given.client), token=access.secret).json()["active"]
        return told

    @invariant()
    def a_token_lives_as_long_as_its_grant_and_no_longer(self) -> None:
        for access in getattr(self, "known", [])[-4:]:
            age = self.passed - access.at
            if abs(age - ACCESS) > 5:
                lives = age < ACCESS and not access.revoked and self._lives(access.given)
                assert self._active(access) == lives, access
