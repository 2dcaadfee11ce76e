"""password resets, remembered logins, mail as HTML

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-25 00:30:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True)
        )
    # The defaults stay, so that processes of the older release can go on writing.
    with op.batch_alter_table("login_sessions", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "is_remembered",
                sa.Boolean(),
                server_default=sa.false(),
                nullable=False,
            )
        )
    with op.batch_alter_table("outgoing_messages", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("html", sa.Text(), server_default="", nullable=False)
        )


def downgrade():
    # Not as a batch: on SQLite that rebuilds the table, and dropping the old one
    # would take the rows that refer to it along.
    op.drop_column("outgoing_messages", "html")
    op.drop_column("login_sessions", "is_remembered")
    op.drop_column("users", "last_login_at")
