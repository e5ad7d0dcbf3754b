"""When the present epoch began: tokens of the time before a restore are refused"""

import sqlalchemy as sa
from alembic import op

import shared.db

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "epoch",
        sa.Column("began_at", shared.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("began_at", name=op.f("pk_epoch")),
    )


def downgrade() -> None:
    op.drop_table("epoch")
