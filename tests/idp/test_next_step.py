from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from idp.login.rules import SignedIn, Step, next_step, wait_after

NOW = datetime(2026, 12, 9, 8, 0, tzinfo=UTC)
ASKED = NOW - timedelta(minutes=1)


@dataclass
class Request:
    prompts: list[str] = field(default_factory=list)
    max_age: int | None = None
    hint_subject: str | None = None
    scopes: list[str] = field(default_factory=lambda: ["openid", "profile"])
    asked: dict[str, Any] = field(default_factory=dict)
    created_at: datetime = ASKED
    consented_at: datetime | None = None
    denied_at: datetime | None = None


@dataclass
class App:
    trusted: bool = True


FOREIGN = App(trusted=False)
BEFORE = SignedIn("me", ASKED - timedelta(hours=1))
JUST_NOW = SignedIn("me", ASKED + timedelta(seconds=30))
STRONG = SignedIn("me", BEFORE.auth_time, acr="strong")
ALLOWED = SignedIn("me", BEFORE.auth_time, frozenset({"openid", "profile"}))


@pytest.mark.parametrize(
    ("request_", "session", "client", "step"),
    [
        (Request(), None, App(), Step.SIGN_IN),
        (Request(), None, None, Step.SIGN_IN),
        (Request(), BEFORE, None, Step.ISSUE),
        (Request(), BEFORE, App(), Step.ISSUE),
        (Request(prompts=["none"]), None, App(), Step.LOGIN_REQUIRED),
        (Request(prompts=["none"]), BEFORE, App(), Step.ISSUE),
        (Request(prompts=["login"]), BEFORE, App(), Step.SIGN_IN),
        (Request(prompts=["select_account"]), BEFORE, App(), Step.CHOOSE),
        (Request(prompts=["select_account"]), None, App(), Step.CHOOSE),
        (Request(prompts=["select_account"], asked={"chosen": "me"}), BEFORE, App(), Step.ISSUE),
        (Request(prompts=["select_account"], asked={"chosen": "other"}), BEFORE, App(), Step.SIGN_IN),
        (Request(prompts=["select_account"], asked={"chosen": "other"}), JUST_NOW, App(), Step.ISSUE),
        (Request(prompts=["select_account", "login"], asked={"chosen": "me"}), BEFORE, App(), Step.SIGN_IN),
        (Request(prompts=["login"]), JUST_NOW, App(), Step.ISSUE),
        (Request(max_age=600), BEFORE, App(), Step.SIGN_IN),
        (Request(max_age=10_000), BEFORE, App(), Step.ISSUE),
        (Request(max_age=0), JUST_NOW, App(), Step.ISSUE),
        (Request(max_age=600, prompts=["none"]), BEFORE, App(), Step.LOGIN_REQUIRED),
        (Request(hint_subject="me"), BEFORE, App(), Step.ISSUE),
        (Request(hint_subject="other"), BEFORE, App(), Step.SIGN_IN),
        (Request(hint_subject="other"), JUST_NOW, App(), Step.LOGIN_REQUIRED),
        (Request(hint_subject="other", prompts=["none"]), BEFORE, App(), Step.LOGIN_REQUIRED),
        (Request(asked={"essential_acr": ["strong"]}), BEFORE, App(), Step.SIGN_IN),
        (Request(asked={"essential_acr": ["strong"]}), JUST_NOW, App(), Step.UNMET),
        (Request(asked={"essential_acr": ["strong"]}), STRONG, App(), Step.ISSUE),
        (Request(asked={"essential_acr": ["strong"]}, prompts=["none"]), BEFORE, App(), Step.UNMET),
        (Request(asked={"beyond": ["email"]}), ALLOWED, FOREIGN, Step.CONSENT),
        (Request(asked={"beyond": ["profile"]}), ALLOWED, FOREIGN, Step.ISSUE),
        (Request(), BEFORE, FOREIGN, Step.CONSENT),
        (Request(), ALLOWED, FOREIGN, Step.ISSUE),
        (Request(scopes=["openid", "email"]), ALLOWED, FOREIGN, Step.CONSENT),
        (Request(asked={"details": [{}]}), ALLOWED, FOREIGN, Step.CONSENT),
        (Request(asked={"details": [{}]}), BEFORE, App(), Step.ISSUE),
        (Request(prompts=["none"]), BEFORE, FOREIGN, Step.CONSENT_REQUIRED),
        (Request(prompts=["consent"]), BEFORE, App(), Step.CONSENT),
        (Request(prompts=["consent"]), ALLOWED, FOREIGN, Step.CONSENT),
        (Request(prompts=["consent"], consented_at=NOW), BEFORE, FOREIGN, Step.ISSUE),
        (Request(prompts=["login", "consent"]), BEFORE, App(), Step.SIGN_IN),
        (Request(denied_at=NOW), BEFORE, FOREIGN, Step.ACCESS_DENIED),
        (Request(denied_at=NOW, consented_at=NOW), None, FOREIGN, Step.ACCESS_DENIED),
    ],
)
def test_the_next_step_follows_from_request_session_and_client(
    request_: Request, session: SignedIn | None, client: App | None, step: Step
) -> None:
    assert next_step(request_, session, client, NOW) is step


@pytest.mark.parametrize(("failures", "minutes"), [(1, 0), (4, 0), (5, 1), (6, 2), (7, 4), (8, 8), (9, 15), (1000, 15)])
def test_waiting_grows_with_failures_up_to_a_quarter_of_an_hour(failures: int, minutes: int) -> None:
    assert (wait_after(failures) or timedelta()) == timedelta(minutes=minutes)
