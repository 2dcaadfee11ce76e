"""who used a key last, deleted keys, the version that was live before

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-25 00:35:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(
            sa.Column("last_used_address", sa.String(length=64), nullable=True)
        )
        batch_op.add_column(
            sa.Column("last_used_agent", sa.String(length=300), nullable=True)
        )
        batch_op.add_column(
            sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True)
        )
    with op.batch_alter_table("models", schema=None) as batch_op:
        batch_op.add_column(sa.Column("previous_number", sa.Integer(), nullable=True))


def downgrade():
    # Not in batches: these would make SQLite's tables anew, and dropping the old
    # ones would take the rows of other tables that point to them.
    op.drop_column("models", "previous_number")
    # The older release would list deleted keys, without a name.
    op.execute("DELETE FROM api_keys WHERE deleted_at IS NOT NULL")
    for name in ("deleted_at", "last_used_agent", "last_used_address", "last_used_at"):
        op.drop_column("api_keys", name)
