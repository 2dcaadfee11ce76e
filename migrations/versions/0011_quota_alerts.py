"""how much of a month its user was told is used

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-28 09:50:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column(
        "monthly_use",
        sa.Column("alerted_percent", sa.Integer(), nullable=False, server_default="0"),
    )
    op.create_index(op.f("ix_monthly_use_month"), "monthly_use", ["month"])


def downgrade():
    op.drop_index(op.f("ix_monthly_use_month"), table_name="monthly_use")
    op.drop_column("monthly_use", "alerted_percent")
