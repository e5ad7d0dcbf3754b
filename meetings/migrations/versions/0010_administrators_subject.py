"""The lasting id of the person who is an administrator"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("administrator", sa.Column("subject", sa.String()))


def downgrade() -> None:
    op.drop_column("administrator", "subject")
