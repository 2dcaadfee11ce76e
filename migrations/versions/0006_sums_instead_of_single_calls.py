"""sums per minute, hour and day instead of a row per call; reserved units

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-25 05:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BOUNDS_MS = (
    *(1, 1.5, 2, 3, 5, 7),
    *(10, 15, 20, 30, 50, 70),
    *(100, 150, 200, 300, 500, 700),
    *(1_000, 1_500, 2_000, 3_000, 5_000, 7_000),
    *(10_000, 15_000, 20_000, 30_000, 60_000),
)
BUCKETS = tuple(f"latency_{number}" for number in range(len(BOUNDS_MS) + 1))
GROUP = (
    *("user_id", "starts_at", "api_key_id", "model_id"),
    *("version", "surface", "status"),
)
SPANS = {"minute": "%Y-%m-%d %H:%M", "hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d 00:00"}


def upgrade():
    for span in SPANS:
        _make_sums(f"usage_{span}s")
        _fill_sums(span)
    op.drop_table("usage_records")
    op.create_table(
        "quota_leases",
        sa.Column("holder", sa.String(16), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_quota_leases_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "holder", "user_id", "month", name=op.f("pk_quota_leases")
        ),
    )
    op.create_table(
        "spool_offsets",
        sa.Column("file", sa.String(40), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("drained_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("file", name=op.f("pk_spool_offsets")),
    )
    op.add_column(
        "monthly_use",
        sa.Column("reserved", sa.Integer(), nullable=False, server_default="0"),
    )
    op.add_column(
        "monthly_use",
        sa.Column("compute_ms", sa.Double(), nullable=False, server_default="0"),
    )


def downgrade():
    op.drop_column("monthly_use", "compute_ms")
    op.drop_column("monthly_use", "reserved")
    op.drop_table("spool_offsets")
    op.drop_table("quota_leases")
    # What single calls were is not in their sums: the table begins empty.
    _make_records()
    for span in SPANS:
        op.drop_index(op.f(f"ix_usage_{span}s_starts_at"), table_name=f"usage_{span}s")
        op.drop_table(f"usage_{span}s")


def _make_sums(name):
    op.create_table(
        name,
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("api_key_id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("surface", sa.String(20), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("compute_ms", sa.Double(), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        *(sa.Column(bucket, sa.BigInteger(), nullable=False) for bucket in BUCKETS),
        sa.PrimaryKeyConstraint(*GROUP, name=op.f(f"pk_{name}")),
    )
    op.create_index(op.f(f"ix_{name}_starts_at"), name, ["starts_at"])


def _fill_sums(span):
    """Sum the calls that there are."""
    if op.get_bind().dialect.name == "postgresql":
        starts_at = f"date_trunc('{span}', created_at AT TIME ZONE 'UTC')"
        kept_as = f"{starts_at} AT TIME ZONE 'UTC'"
    else:
        starts_at = f"strftime('{SPANS[span]}:00.000000', created_at)"
        kept_as = starts_at
    lower_bounds = (-1, *BOUNDS_MS)
    upper_bounds = (*BOUNDS_MS, 1e12)
    counts = ", ".join(
        f"SUM(CASE WHEN latency_ms > {lower} AND latency_ms <= {upper}"
        " THEN 1 ELSE 0 END)"
        for lower, upper in zip(lower_bounds, upper_bounds, strict=True)
    )
    # As in GROUP; what was null is 0.
    group = f"""COALESCE(user_id, 0), {starts_at}, COALESCE(api_key_id, 0),
        COALESCE(model_id, 0), COALESCE(version, 0), surface, status"""
    columns = (*GROUP, "calls", "compute_ms", "latency_ms", *BUCKETS)
    op.execute(
        # Names and numbers of this file only.
        f"INSERT INTO usage_{span}s ({', '.join(columns)}) "  # noqa: S608
        f"SELECT {group.replace(starts_at, kept_as)}, COUNT(*), SUM(compute_ms), "
        f"SUM(latency_ms), {counts} FROM usage_records GROUP BY {group}"
    )


def _make_records():
    op.create_table(
        "usage_records",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("request_id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("api_key_id", sa.Integer(), nullable=True),
        sa.Column("model_id", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("surface", sa.String(20), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.Column("compute_ms", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [f"{what}_id"],
                [f"{table}.id"],
                name=op.f(f"fk_usage_records_{what}_id_{table}"),
                ondelete="SET NULL",
            )
            for what, table in (
                ("user", "users"),
                ("api_key", "api_keys"),
                ("model", "models"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_records")),
        sa.UniqueConstraint("request_id", name=op.f("uq_usage_records_request_id")),
    )
    for column in ("user_id", "model_id"):
        op.create_index(
            f"ix_usage_records_{column}_created_at",
            "usage_records",
            [column, "created_at"],
        )
