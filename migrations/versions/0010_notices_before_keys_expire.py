"""when a user is told next that a key is about to expire

Revision ID: 0010
Revises: 0009
Create Date: 2026-11-28 10:12:00

"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

AHEAD = (timedelta(days=7), timedelta(days=1))


def upgrade():
    op.add_column(
        "api_keys", sa.Column("notice_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_index(op.f("ix_api_keys_notice_at"), "api_keys", ["notice_at"])
    _plan_notices()


def downgrade():
    op.drop_index(op.f("ix_api_keys_notice_at"), table_name="api_keys")
    op.drop_column("api_keys", "notice_at")


def _plan_notices():
    """Plan those of the keys that there are, but none that would be late."""
    keys = sa.table(
        "api_keys",
        sa.column("id", sa.Integer()),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("expires_at", sa.DateTime(timezone=True)),
        sa.column("revoked_at", sa.DateTime(timezone=True)),
        sa.column("notice_at", sa.DateTime(timezone=True)),
    )
    bind = op.get_bind()
    is_sqlite = bind.dialect.name == "sqlite"
    now = datetime.now(UTC).replace(tzinfo=None if is_sqlite else UTC)
    rows = bind.execute(
        sa.select(keys.c.id, keys.c.created_at, keys.c.expires_at).where(
            keys.c.revoked_at.is_(None), keys.c.expires_at > now
        )
    ).all()
    for row in rows:
        times = [
            row.expires_at - ahead
            for ahead in AHEAD
            if row.created_at < row.expires_at - ahead > now
        ]
        if times:
            bind.execute(
                keys.update().where(keys.c.id == row.id).values(notice_at=times[0])
            )
