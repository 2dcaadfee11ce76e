"""when a model version could not be loaded

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-25 03:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True)
        )


def downgrade():
    # Not as a batch, which would make SQLite's table anew.
    op.drop_column("model_versions", "failed_at")
