"""How often models were called, by whomever."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import func, select

from portal.db import db, now
from portal.usage.tables import usage_hours


def calls_of_models(model_ids: Iterable[int], *, days: int) -> dict[int, int]:
    """Return how many calls each model had within the last *days* times 24 hours.

    Told in whole hours.

    Args:
        model_ids: The models; one without a call is left out of the answer.
        days: How far to look back; hours are kept for `PORTAL_USAGE_RETENTION_DAYS`.
    """
    hours = usage_hours.c
    rows = db.session.execute(
        select(hours.model_id, func.sum(hours.calls))
        .where(
            hours.model_id.in_(list(model_ids)),
            hours.starts_at >= now() - timedelta(days=days),
        )
        .group_by(hours.model_id)
    )
    return {model_id: int(calls) for model_id, calls in rows}
