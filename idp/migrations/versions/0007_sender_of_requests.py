"""Where a request for a sign-in came from: in a flood, that of others stays"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("authorization_request", sa.Column("sender", sa.String()))


def downgrade() -> None:
    op.drop_column("authorization_request", "sender")
