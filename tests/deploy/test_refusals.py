"""What a command cannot do it says in a line, with exit code 2 and without a traceback; what it needs may come as a file."""

import re
import signal
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner, Result

from deploy.backup import embedded
from deploy.cli import _need_tables, app
from idp.accounts.models import find_by_username
from idp.accounts.passwords import matches
from idp.clients.models import Client
from idp.login.lockout import begin_try
from idp.login.models import SignInFailure, SignInSession
from meetings.access.models import Administrator
from shared import clock
from shared.db import Database

ADDRESS = "https://hop.example"
ACCOUNT = ("create-account", "hanhnth", "Nguyễn Thị Hồng Hạnh")


def run(url: str | None, *words: str, **more: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"DATABASE_URL": url, "TRUST_ROOTS": None, **more})


def done(url: str, *words: str) -> str:
    answer = run(url, *words)
    assert (answer.exit_code, answer.stderr) == (0, "")
    return answer.stdout.strip()


@pytest.fixture
def idp(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/idp.db"
    done(url, "migrate", "idp")
    return url


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (ACCOUNT, "taken"),
        (("create-account", "Hạnh!", "Nguyễn Hạnh"), "name"),
        (("add-meetings", "http://hop.example"), "redirect_uris"),
        (("verify", "{here}/no.pdf"), "no such file"),
        (("verify", "{here}/idp.db", "--roots", "{here}/no.pem"), "No such file"),
        (("verify", "{here}/idp.db", "--roots", "{here}/idp.db"), "no certificates in PEM"),
        (("add-administrator", "baotq"), "administrator"),  # a table of the other service's
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(idp, tmp_path, words, said):
    done(idp, *ACCOUNT)
    answer = run(idp, *(word.format(here=tmp_path) for word in words))
    assert (answer.exit_code, said in answer.stderr, len(answer.stderr.splitlines())) == (2, True, 1), answer.output


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "DATABASE_URL: Field required"),
        ("binhlam", "DATABASE_URL: Could not parse"),
        ("sqlite:////nowhere/idp.db", "DATABASE_URL: unable to open"),
        ("postgresql://idp:bi-mat@127.0.0.1:1/idp", "DATABASE_URL: connection "),
    ],
)
@pytest.mark.parametrize("words", [ACCOUNT, ("migrate", "idp"), ("verify",)], ids=lambda words: words[0])
def test_a_database_that_is_not_there_is_said_in_a_line(url, said, words):
    answer = run(url, *words, PUBLIC_URL=ADDRESS, SECRET="0123456789abcdef" * 3)
    assert (answer.exit_code, answer.stderr.startswith(said), len(answer.stderr.splitlines())) == (2, True, 1), answer.output
    assert "bi-mat" not in answer.output


def test_a_database_of_a_later_release_is_said_in_a_line_and_served(idp):
    with closing(Database(idp)) as db, db.write() as tx:
        tx.execute(text("UPDATE alembic_version_idp SET version_num = '9999'"))
    for words in (["migrate", "idp"], ["migrate", "idp", "--plan"]):
        answer = run(idp, *words)
        assert (answer.exit_code, "9999" in answer.stderr, len(answer.stderr.splitlines())) == (2, True, 1)
    assert _need_tables("idp", idp) is None  # a service of the release before runs on it


def test_a_command_takes_the_database_from_a_file_as_the_services_do(idp, tmp_path):
    secrets = tmp_path / "bí mật"
    secrets.mkdir()
    (secrets / "database_url").write_text(idp)
    assert run(None, *ACCOUNT, SECRETS_DIR=str(secrets)).exit_code == 0
    with closing(Database(idp)) as db, db.read() as tx:
        assert find_by_username(tx, "hanhnth")


def test_an_administrator_is_who_signs_in_by_that_name_however_it_was_typed(tmp_path):
    url = f"sqlite:///{tmp_path}/meetings.db"
    done(url, "migrate", "meetings")
    done(url, "add-administrator", " BaoTQ")
    with closing(Database(url)) as db, db.read() as tx:
        assert tx.scalars(select(Administrator.username)).all() == ["baotq"]


def test_the_right_of_an_administrator_is_taken_away_but_never_the_last_one(tmp_path):
    url = f"sqlite:///{tmp_path}/meetings.db"
    done(url, "migrate", "meetings")
    done(url, "add-administrator", "baotq")
    for username, said in (("baotq", "only administrator"), ("hanhnth", "not an administrator")):
        answer = run(url, "remove-administrator", username)
        assert (answer.exit_code, said in answer.stderr, len(answer.stderr.splitlines())) == (2, True, 1), answer.output
    done(url, "add-administrator", "hanhnth")
    done(url, "remove-administrator", "BaoTQ")
    with closing(Database(url)) as db, db.read() as tx:
        assert tx.scalars(select(Administrator.username)).all() == ["hanhnth"]


def test_who_forgot_the_password_gets_another_one_and_is_signed_out_everywhere(idp):
    first = done(idp, *ACCOUNT)
    with closing(Database(idp)) as db, db.write() as tx:
        now, account = clock.now(), find_by_username(tx, "hanhnth")
        proof = {"acr": "", "amr": [], "user_agent": "", "auth_time": now, "last_seen_at": now}
        tx.add(SignInSession(id="s", digest="d", account_id=account.id, expires_at=now + timedelta(hours=1), **proof))
        begin_try(tx, now, "hanhnth")
    second = done(idp, "new-password", "hanhnth")
    assert run(idp, "new-password", "nobody").exit_code == 2
    with closing(Database(idp)) as db, db.read() as tx:
        stored = find_by_username(tx, "hanhnth").password_hash
        assert (matches(stored, first), matches(stored, second)) == (False, True)
        assert tx.get_one(SignInSession, "s").ended_at is not None
        assert tx.scalars(select(SignInFailure)).all() == []


def test_the_meetings_get_their_client_and_any_client_is_closed_from_the_command_line(idp):
    client_id = done(idp, "add-meetings", f"{ADDRESS}/", "--office", "Văn phòng HĐND")
    with closing(Database(idp)) as db, db.read() as tx:
        client = tx.get_one(Client, client_id)
        assert (client.audiences, client.redirect_uris, client.active) == ([ADDRESS], [f"{ADDRESS}/signed-in"], True)
        assert (client.auth_method, client.trusted, client.require_pkce) == ("none", True, True)
    done(idp, "close-client", client_id)
    assert run(idp, "close-client", client_id).exit_code == 2
    with closing(Database(idp)) as db, db.read() as tx:
        assert not tx.get_one(Client, client_id).active


def test_a_folder_that_is_no_demos_is_not_cleared_away_for_one(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "luận án.txt").touch()
    answer = run(None, "demo", VAR_DIR=str(tmp_path))
    assert (answer.exit_code, "VAR_DIR" in answer.output) == (1, True)
    assert [file.name for file in (tmp_path / "demo").iterdir()] == ["luận án.txt"]


def test_a_demo_that_is_being_made_is_not_cleared_away_for_another(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "idp.db").touch()
    with embedded.alone(tmp_path):
        answer = run(None, "demo", VAR_DIR=str(tmp_path))
    assert (answer.exit_code, "Another demo" in answer.output) == (1, True)
    assert (tmp_path / "demo" / "idp.db").exists()


@pytest.mark.parametrize("ending", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_the_services_of_a_demo_end_with_it_also_when_its_terminal_is_closed(ending):
    code = (
        "import signal, subprocess, time\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # these tests may run under `nohup`, which a demo heeds
        "from deploy.demo.run import ending_together\n"
        "with ending_together() as children:\n"
        "    children['idp'] = subprocess.Popen(['sleep', '100'], start_new_session=True)\n"
        "    print(children['idp'].pid, flush=True)\n"
        "    time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        child = int(demo.stdout.readline())
        demo.send_signal(ending)
        demo.wait(timeout=60)
    gone = not Path(f"/proc/{child}").exists()
    assert gone, re.findall(r"State:.*", Path(f"/proc/{child}/status").read_text())
