"""Ballots of a poll by their instant: the turnout counts what is new"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index(op.f("ix_ballot_poll_id_cast_at"), "ballot", ["poll_id", "cast_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_ballot_poll_id_cast_at"), table_name="ballot")
