"""Write one configuration a plan, what results are expected, and the lines to run them; register the clients of FAPI."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.conformance.plans import EXPECTED_FAILURES, EXPECTED_SKIPS, PLANS, Place, Plan
from deploy.environment import Told
from idp.clients.actions import make_initial_access_token, register_client
from idp.clients.rules import AuthMethod, Metadata, Profile
from idp.settings import IdpSettings
from shared.clock import now
from shared.db import Database
from shared.tokens import generate_key

app = typer.Typer(cls=Told, add_completion=False)


@app.callback(invoke_without_command=True, subcommand_metavar="", context_settings={"allow_interspersed_args": True})
def main(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    suite: Annotated[str, typer.Option(help="Address of the conformance suite, as its tests name it.")],
    username: Annotated[str, typer.Option(help="An account of idp's for the suite to sign in with.")],
    password: Annotated[str, typer.Option(envvar="CONFORMANCE_PASSWORD")],
) -> None:
    """idp's own settings come from the environment. Each run registers new clients."""
    settings = IdpSettings()
    place = Place(settings.issuer, suite.rstrip("/"), username, password)
    folder.mkdir(parents=True, exist_ok=True)
    db, lines = Database(settings.database_url), []
    with db.write() as tx:
        for plan in PLANS:
            clients = {name: _client(tx, plan, name, place) for name in ("client", "client2")} if plan.profile else {}
            _write(folder / f"{plan.name}.json", place.config(plan, clients))
            lines.append(f"{plan.arguments} {plan.name}.json")
        token = make_initial_access_token(tx, now(), timedelta(days=2))
    db.close()
    _write(folder / "expected-failures.json", EXPECTED_FAILURES)
    _write(folder / "expected-skips.json", EXPECTED_SKIPS)
    _keep(folder / "plans.txt", "\n".join(lines))
    _keep(folder / "registration.conf", f'proxy_set_header Authorization "Bearer {token}";')


def _client(tx: Any, plan: Plan, name: str, place: Place) -> dict[str, Any]:
    key = generate_key("PS256")
    callback = f"{place.suite}/test/a/dienhong-{plan.name}/callback"
    metadata = Metadata(
        name=f"Conformance, {plan.name}, {name}",
        redirect_uris=(callback, f"{callback}?dummy1=lorem&dummy2=ipsum"),
        auth_method=AuthMethod.PRIVATE_KEY,
        jwks={"keys": [dict(key.as_dict(private=False))]},
        id_token_alg="PS256",  # noqa: S106 - the name of an algorithm
        authorization_alg="PS256",
        dpop_bound=True,
        profile=Profile(plan.profile),
    )
    client, _ = register_client(tx, now(), metadata, actor="conformance")
    return {"client_id": client.id, "scope": "openid", "jwks": {"keys": [dict(key.as_dict(private=True))]}}


def _write(file: Path, content: object) -> None:
    _keep(file, json.dumps(content, indent=2, ensure_ascii=False))


def _keep(file: Path, text: str) -> None:
    """For its owner alone: most hold a secret."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    app()
