"""models, addresses and origins that a key is narrowed to

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-28 09:30:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KINDS = ("models", "addresses", "origins")


def upgrade():
    for kind in KINDS:
        op.add_column(
            "api_keys", sa.Column(kind, sa.JSON(), nullable=False, server_default="[]")
        )


def downgrade():
    for kind in KINDS:
        op.drop_column("api_keys", kind)
