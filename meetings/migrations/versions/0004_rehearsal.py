"""Rehearsals of meetings, and what was found in them"""

import sqlalchemy as sa
from alembic import op

import shared.db

revision = "0004"
down_revision = "0003"

INSTANT = shared.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "rehearsal",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("meeting_id", sa.String(), nullable=False),
        sa.Column("copy_id", sa.String(), nullable=True),
        sa.Column("pass_digest", sa.String(), nullable=True),
        sa.Column("delegates", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_rehearsal_meeting_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rehearsal")),
        sa.UniqueConstraint("pass_digest", name=op.f("uq_rehearsal_pass_digest")),
    )
    op.create_index(op.f("ix_rehearsal_meeting_id"), "rehearsal", ["meeting_id"])


def downgrade() -> None:
    op.drop_table("rehearsal")
