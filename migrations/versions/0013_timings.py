"""what calls took lately, per version, process and span of time

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-28 10:05:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "version_timings",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("holder", sa.String(16), nullable=False),
        sa.Column("tally", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["model_versions.id"],
            name=op.f("fk_version_timings_version_id_model_versions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "version_id", "starts_at", "holder", name=op.f("pk_version_timings")
        ),
    )
    op.create_index(
        op.f("ix_version_timings_starts_at"), "version_timings", ["starts_at"]
    )


def downgrade():
    op.drop_index(op.f("ix_version_timings_starts_at"), table_name="version_timings")
    op.drop_table("version_timings")
