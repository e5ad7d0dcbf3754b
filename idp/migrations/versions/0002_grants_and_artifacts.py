"""One table for everything that is used once; grants that can outlive a session; the whole of client metadata"""

from typing import Any

import sqlalchemy as sa
from alembic import op

import shared.db

revision = "0002"
down_revision = "0001"

INSTANT = shared.db.UtcDateTime(timezone=True)
TEXTS = (
    *("frontchannel_logout_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "sector_identifier_uri", "userinfo_alg"),
    *("introspection_alg", "authorization_alg", "request_object_alg", "assertion_alg", "tls_subject_dn"),
)
LISTS = ("contacts", "request_uris", "default_acr_values", "details_types")
FLAGS = ("require_auth_time", "require_par", "require_request_object", "dpop_bound", "tls_bound")


def text(name: str, default: str = "") -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=False, server_default=default)


def json(name: str, default: str) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=False, server_default=sa.text(f"'{default}'"))


def flag(name: str, *, default: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.true() if default else sa.false())


def instant(name: str) -> sa.Column[Any]:
    return sa.Column(name, INSTANT, nullable=False, server_default=sa.text("'1970-01-01 00:00:00.000000'"))


CLIENT: tuple[sa.Column[Any], ...] = (
    *(text(name) for name in TEXTS),
    *(json(name, "[]") for name in LISTS),
    *(flag(name) for name in FLAGS),
    text("subject_type", "public"),
    text("profile", "plain"),
    json("jwks", "{}"),
    flag("require_pkce", default=True),
    sa.Column("default_max_age", sa.Integer(), nullable=True),
)
ACCOUNT: tuple[sa.Column[Any], ...] = (
    flag("email_verified"),
    text("phone"),
    flag("phone_verified"),
    text("address"),
    instant("updated_at"),
)
GRANT: tuple[sa.Column[Any], ...] = (
    *(text("account_id"), json("asked", "{}"), json("key", "{}"), text("acr"), json("amr", "[]"), instant("auth_time")),
    *(flag("offline"), sa.Column("expires_at", INSTANT, nullable=True)),
)
INDEXES = ("account_id", "client_id", "expires_at")


def upgrade() -> None:
    for table, columns in (("client", CLIENT), ("account", ACCOUNT), ("oauth_grant", GRANT)):
        for column in columns:
            op.add_column(table, column)
    op.add_column("authorization_request", json("asked", "{}"))
    for name in INDEXES:
        op.create_index(f"ix_oauth_grant_{name}", "oauth_grant", [name])
    op.create_table(
        "artifact",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("grant_id", sa.String(), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["grant_id"], ["oauth_grant.id"], name=op.f("fk_artifact_grant_id")),
        sa.PrimaryKeyConstraint("kind", "digest", name=op.f("pk_artifact")),
    )
    op.create_index("ix_artifact_expires_at", "artifact", ["expires_at"])
    op.create_index("ix_artifact_grant_id", "artifact", ["grant_id"])
    of_session = "(SELECT {0} FROM session WHERE session.id = oauth_grant.session_id)"
    moved = ", ".join(f"{name} = {of_session.format(name)}" for name in ("account_id", "acr", "amr", "auth_time"))
    op.execute(f"UPDATE oauth_grant SET {moved}")  # noqa: S608
    op.execute("UPDATE account SET updated_at = created_at, email_verified = (email <> '')")
    _keep_refresh_tokens()
    op.drop_table("refresh_token")
    op.drop_table("authorization_code")  # none lives longer than a minute


def _keep_refresh_tokens() -> None:
    known = sa.MetaData()
    for name in ("artifact", "refresh_token", "oauth_grant", "session"):
        sa.Table(name, known, autoload_with=op.get_bind())
    artifact, token, grant, session = (known.tables[n] for n in ("artifact", "refresh_token", "oauth_grant", "session"))
    rows = sa.select(
        *(sa.literal("refresh-token"), token.c.digest, token.c.grant_id, sa.literal({}, sa.JSON()), session.c.expires_at),
        token.c.used_at,
    ).select_from(token.join(grant, grant.c.id == token.c.grant_id).join(session, session.c.id == grant.c.session_id))
    names = ["kind", "digest", "grant_id", "body", "expires_at", "used_at"]
    op.execute(sa.insert(artifact).from_select(names, rows))


def downgrade() -> None:
    """Codes and refresh tokens are lost: people go on with their sessions and are not asked again."""
    key = sa.Column("grant_id", sa.String(), sa.ForeignKey("oauth_grant.id"), nullable=False, index=True)
    op.create_table(
        "authorization_code",
        sa.Column("digest", sa.String(), primary_key=True),
        key,
        sa.Column("redirect_uri", sa.String(), nullable=False),
        sa.Column("code_challenge", sa.String(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
    )
    op.create_table(
        "refresh_token",
        sa.Column("digest", sa.String(), primary_key=True),
        key.copy(),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
    )
    op.drop_table("artifact")
    for name in INDEXES:
        op.drop_index(f"ix_oauth_grant_{name}", "oauth_grant")
    op.drop_column("authorization_request", "asked")
    for table, columns in (("client", CLIENT), ("account", ACCOUNT), ("oauth_grant", GRANT)):
        for column in columns:
            op.drop_column(table, column.name)
