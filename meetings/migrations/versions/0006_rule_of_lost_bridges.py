"""By which rule of lost bridges a meeting has sat"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("meeting", sa.Column("lost_bridge", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("meeting", "lost_bridge")
