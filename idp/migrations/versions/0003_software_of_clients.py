"""What software a client runs, as it says itself (RFC 7591)"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
NAMES = ("software_id", "software_version")


def upgrade() -> None:
    for name in NAMES:
        op.add_column("client", sa.Column(name, sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    for name in NAMES:
        op.drop_column("client", name)
