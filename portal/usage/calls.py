"""How often models were called, by whomever."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import func, select

from portal.db import db, now
from portal.usage.tables import UsageRecord


def calls_of_models(model_ids: Iterable[int], *, days: int) -> dict[int, int]:
    """Return how many calls each model had within the last *days* times 24 hours.

    Args:
        model_ids: The models; one without a call is left out of the answer.
        days: How far to look back.
    """
    rows = db.session.execute(
        select(UsageRecord.model_id, func.count())
        .where(
            UsageRecord.model_id.in_(list(model_ids)),
            UsageRecord.created_at >= now() - timedelta(days=days),
        )
        .group_by(UsageRecord.model_id)
    )
    return {model_id: calls for model_id, calls in rows if model_id is not None}
