"""the secret before the last rotation of a key, while it still works

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-28 09:55:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = {
    "rotated_at": sa.DateTime(timezone=True),
    "previous_prefix": sa.String(8),
    "previous_hash": sa.String(64),
    "previous_ends_at": sa.DateTime(timezone=True),
    "previous_used_at": sa.DateTime(timezone=True),
    "previous_used_address": sa.String(64),
    "previous_used_agent": sa.String(300),
}
UNIQUE = ("previous_prefix", "previous_hash")


def upgrade():
    for name, kind in COLUMNS.items():
        op.add_column("api_keys", sa.Column(name, kind, nullable=True))
    for name in UNIQUE:
        op.create_index(op.f(f"ix_api_keys_{name}"), "api_keys", [name], unique=True)


def downgrade():
    for name in UNIQUE:
        op.drop_index(op.f(f"ix_api_keys_{name}"), table_name="api_keys")
    for name in COLUMNS:
        op.drop_column("api_keys", name)
