"""Whose tablets each process serves"""

import sqlalchemy as sa
from alembic import op

import shared.db

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "connected",
        sa.Column("meeting_id", sa.String(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("at", shared.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("meeting_id", "node", name=op.f("pk_connected")),
    )


def downgrade() -> None:
    op.drop_table("connected")
