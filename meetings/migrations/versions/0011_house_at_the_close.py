"""Members and bridges as they were when a meeting was closed, for its minutes"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("minutes", sa.Column("house", sa.JSON()))


def downgrade() -> None:
    op.drop_column("minutes", "house")
