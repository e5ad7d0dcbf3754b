"""The sessions that have not ended, by when they do at the latest: looked through every few seconds"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

LIVING = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.create_index("ix_session_living", "session", ["expires_at"], postgresql_where=LIVING, sqlite_where=LIVING)


def downgrade() -> None:
    op.drop_index("ix_session_living", "session")
