"""The jobs that wait, by their hour: looked through every second, and what is done stays for its key"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

WAITING = sa.text("done_at IS NULL")


def upgrade() -> None:
    op.drop_index("ix_job_run_at", "job")
    op.create_index("ix_job_waiting", "job", ["run_at"], postgresql_where=WAITING, sqlite_where=WAITING)


def downgrade() -> None:
    op.drop_index("ix_job_waiting", "job")
    op.create_index("ix_job_run_at", "job", ["run_at"])
