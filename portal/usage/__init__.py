"""Usage: every answer counted once, the monthly quota, and the sums of both."""

from portal.usage.calls import calls_of_models
from portal.usage.errors import QuotaExhausted
from portal.usage.reading import (
    Cell,
    Label,
    Summary,
    UsageRow,
    UsageSum,
    by_day,
    by_key,
    by_model,
    cells,
    last_days,
    summary,
)
from portal.usage.service import Quota, check_quota, quota, record, used_this_month
from portal.usage.tables import MonthlyUse, Surface, UsageRecord

__all__ = [
    "Cell",
    "Label",
    "MonthlyUse",
    "Quota",
    "QuotaExhausted",
    "Summary",
    "Surface",
    "UsageRecord",
    "UsageRow",
    "UsageSum",
    "by_day",
    "by_key",
    "by_model",
    "calls_of_models",
    "cells",
    "check_quota",
    "last_days",
    "quota",
    "record",
    "summary",
    "used_this_month",
]
