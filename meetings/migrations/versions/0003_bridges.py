"""Bridges: remote rooms of a body, where they stand in a meeting, and how they are heard"""

import sqlalchemy as sa
from alembic import op

import shared.db

revision = "0003"
down_revision = "0002"

INSTANT = shared.db.UtcDateTime(timezone=True)


def upgrade() -> None:
    _create_bridge()
    _create_line()
    _create_reading()
    _create_note()
    # Not in a batch: that would make the table anew, and with it drop what others refer to.
    op.add_column("body", sa.Column("lost_bridge", sa.String(), nullable=False, server_default="does_not_count"))
    op.execute("UPDATE body SET lost_bridge = 'counts' WHERE kind = 'other'")
    op.execute("ALTER TABLE member ADD COLUMN bridge_id VARCHAR CONSTRAINT fk_member_bridge_id REFERENCES bridge (id)")


def _create_bridge() -> None:
    op.create_table(
        "bridge",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("body_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("short", sa.String(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("lead_username", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["body_id"], ["body.id"], name=op.f("fk_bridge_body_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bridge")),
        sa.UniqueConstraint("body_id", "name", name=op.f("uq_bridge_body_id_name")),
    )


def _create_line() -> None:
    op.create_table(
        "bridge_line",
        sa.Column("meeting_id", sa.String(), nullable=False),
        sa.Column("bridge_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("since", INSTANT, nullable=True),
        sa.Column("rolled_at", INSTANT, nullable=True),
        sa.Column("rolled_by", sa.String(), nullable=True),
        sa.Column("rolled_present", sa.Integer(), nullable=True),
        sa.Column("rolled_total", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_bridge_line_meeting_id")),
        sa.ForeignKeyConstraint(["bridge_id"], ["bridge.id"], name=op.f("fk_bridge_line_bridge_id")),
        sa.PrimaryKeyConstraint("meeting_id", "bridge_id", name=op.f("pk_bridge_line")),
    )


def _create_reading() -> None:
    op.create_table(
        "bridge_reading",
        sa.Column("meeting_id", sa.String(), nullable=False),
        sa.Column("bridge_id", sa.String(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("online", sa.Integer(), nullable=False),
        sa.Column("delay", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("meeting_id", "bridge_id", "node", "at", name=op.f("pk_bridge_reading")),
    )
    op.create_index(op.f("ix_bridge_reading_at"), "bridge_reading", ["at"])


def _create_note() -> None:
    op.create_table(
        "bridge_note",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("meeting_id", sa.String(), nullable=False),
        sa.Column("bridge_id", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_bridge_note_meeting_id")),
        sa.ForeignKeyConstraint(["bridge_id"], ["bridge.id"], name=op.f("fk_bridge_note_bridge_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bridge_note")),
    )
    op.create_index(op.f("ix_bridge_note_meeting_id"), "bridge_note", ["meeting_id"])


def downgrade() -> None:
    op.drop_column("member", "bridge_id")
    op.drop_column("body", "lost_bridge")
    for table in ("bridge_note", "bridge_reading", "bridge_line", "bridge"):
        op.drop_table(table)
