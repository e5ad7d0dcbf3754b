"""What each process hears of a bridge now, and of whom"""

import sqlalchemy as sa
from alembic import op

import shared.db

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "bridge_heard",
        sa.Column("meeting_id", sa.String(), nullable=False),
        sa.Column("bridge_id", sa.String(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("at", shared.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.Column("relayed", sa.Integer(), nullable=False),
        sa.Column("delay", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("meeting_id", "bridge_id", "node", name=op.f("pk_bridge_heard")),
    )


def downgrade() -> None:
    op.drop_table("bridge_heard")
