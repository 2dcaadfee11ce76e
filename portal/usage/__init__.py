"""Usage: every answer counted once, the monthly quota, and the sums of both."""

from portal.usage.calls import calls_of_models
from portal.usage.draining import drain, drain_orphans
from portal.usage.errors import ComputeExhausted, QuotaExhausted
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
from portal.usage.recording import Record, record
from portal.usage.service import (
    Quota,
    Unit,
    give_back_units,
    put_back_unit,
    quota,
    take_unit,
    used_this_month,
)
from portal.usage.tables import Surface
from portal.usage.tidying import tidy

__all__ = [
    "Cell",
    "ComputeExhausted",
    "Label",
    "Quota",
    "QuotaExhausted",
    "Record",
    "Summary",
    "Surface",
    "Unit",
    "UsageRow",
    "UsageSum",
    "by_day",
    "by_key",
    "by_model",
    "calls_of_models",
    "cells",
    "drain",
    "drain_orphans",
    "give_back_units",
    "last_days",
    "put_back_unit",
    "quota",
    "record",
    "summary",
    "take_unit",
    "tidy",
    "used_this_month",
]
