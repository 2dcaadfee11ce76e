"""messages sent again, and an index for each filter of the audit trail and outbox

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-25 02:05:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_outgoing_messages_tried_at": ("outgoing_messages", ["tried_at"]),
    "ix_outgoing_messages_state_id": ("outgoing_messages", ["state", "id"]),
    "ix_outgoing_messages_to_address_id": ("outgoing_messages", ["to_address", "id"]),
    "ix_audit_events_action_id": ("audit_events", ["action", "id"]),
    "ix_audit_events_actor_id_id": ("audit_events", ["actor_id", "id"]),
    "ix_audit_events_subject_id": ("audit_events", ["subject", "id"]),
}


def upgrade():
    with op.batch_alter_table("outgoing_messages", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(
            sa.Column("retried_at", sa.DateTime(timezone=True), nullable=True)
        )
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns, unique=False)


def downgrade():
    for name, (table, _columns) in INDEXES.items():
        op.drop_index(name, table_name=table)
    # Not as a batch, which would make SQLite's table anew.
    op.drop_column("outgoing_messages", "retried_at")
    op.drop_column("outgoing_messages", "tried_at")
