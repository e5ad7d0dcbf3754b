"""Second factors of people, and their recovery codes; requests found by the person whom they name"""

import sqlalchemy as sa
from alembic import op

import shared.db

revision = "0004"
down_revision = "0003"

INSTANT = shared.db.UtcDateTime(timezone=True)
REQUESTS_OF = "ix_authorization_request_hint_subject"


def upgrade() -> None:
    op.create_table(
        "second_factor",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("confirmed_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_second_factor_account_id")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_second_factor")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_recovery_code_account_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_recovery_code")),
    )
    op.create_index("ix_recovery_code_account_id", "recovery_code", ["account_id"])
    op.create_index(REQUESTS_OF, "authorization_request", ["hint_subject"])


def downgrade() -> None:
    """People sign in with their passwords alone again."""
    op.drop_index(REQUESTS_OF, "authorization_request")
    op.drop_table("recovery_code")
    op.drop_table("second_factor")
