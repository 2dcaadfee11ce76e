"""the origins that keys name, by origin

Revision ID: 0014
Revises: 0013
Create Date: 2026-11-28 12:20:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEYS = sa.table(
    "api_keys",
    sa.column("id", sa.Integer),
    sa.column("origins", sa.JSON),
    sa.column("revoked_at", sa.DateTime(timezone=True)),
)


def upgrade():
    made = op.create_table(
        "key_origins",
        sa.Column("origin", sa.String(300), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"],
            ["api_keys.id"],
            name=op.f("fk_key_origins_key_id_api_keys"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("origin", "key_id", name=op.f("pk_key_origins")),
    )
    op.create_index(op.f("ix_key_origins_key_id"), "key_origins", ["key_id"])
    keys = op.get_bind().execute(
        # PostgreSQL compares no JSON, but its text.
        sa.select(KEYS.c.id, KEYS.c.origins).where(
            KEYS.c.revoked_at.is_(None), sa.cast(KEYS.c.origins, sa.Text) != "[]"
        )
    )
    rows = [
        {"origin": origin, "key_id": key.id} for key in keys for origin in key.origins
    ]
    op.bulk_insert(made, rows)


def downgrade():
    op.drop_table("key_origins")
