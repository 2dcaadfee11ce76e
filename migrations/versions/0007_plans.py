"""plans as rows, and who has which

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-28 09:30:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    plans = op.create_table(
        "plans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("rate", sa.String(length=200), nullable=False),
        sa.Column("monthly_predictions", sa.Integer(), nullable=False),
        sa.Column("monthly_compute_s", sa.Integer(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("max_upload_mb", sa.Integer(), nullable=True),
        sa.Column("max_keys", sa.Integer(), nullable=False),
        sa.Column("max_key_days", sa.Integer(), nullable=True),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("name", name=op.f("uq_plans_name")),
    )
    op.bulk_insert(
        plans,
        [
            {
                "name": "default",
                "rate": "60/minute;2000/hour",
                "monthly_predictions": 10_000,
                # Ten hours: 3.6 seconds for each of these predictions, several times
                # what the slowest bundled model takes; 72 people who use all of it
                # keep one core busy.
                "monthly_compute_s": 36_000,
                "concurrency": 2,
                "max_upload_mb": None,
                "max_keys": 5,
                "max_key_days": 365,
                "models": [],
            }
        ],
    )
    # Not in a batch, which would make SQLite's table anew: dropping the old one
    # would take the rows of other tables that point to it.
    op.execute(
        "ALTER TABLE users ADD COLUMN plan_id INTEGER"
        " CONSTRAINT fk_users_plan_id_plans REFERENCES plans (id)"
    )
    op.create_index(op.f("ix_users_plan_id"), "users", ["plan_id"])


def downgrade():
    op.drop_index(op.f("ix_users_plan_id"), table_name="users")
    op.drop_column("users", "plan_id")
    op.drop_table("plans")
