"""Ended sign-ins by their hour: those of the last minute are looked for every few seconds, and none is ever forgotten"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_index("ix_ended_session_ended_at", "ended_session", ["ended_at"])


def downgrade() -> None:
    op.drop_index("ix_ended_session_ended_at", "ended_session")
