"""Usage: every answer counted once, the monthly quota, and the sums of both."""

from portal.usage.alerts import alert
from portal.usage.calls import calls_of_models
from portal.usage.draining import drain, drain_orphans, roll_up
from portal.usage.errors import ComputeExhausted, QuotaExhausted
from portal.usage.forecast import Forecast
from portal.usage.reading import Asked, Summary, cells, rows_by, summary
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
from portal.usage.spans import By, Span, last_days, span_of, this_month
from portal.usage.tables import Surface
from portal.usage.tidying import tidy
from portal.usage.totals import (
    DELETED,
    PLAYGROUND,
    UNKNOWN,
    Cell,
    Label,
    UsageRow,
    UsageSum,
    total,
)
from portal.usage.verifying import verify

__all__ = [
    "DELETED",
    "PLAYGROUND",
    "UNKNOWN",
    "Asked",
    "By",
    "Cell",
    "ComputeExhausted",
    "Forecast",
    "Label",
    "Quota",
    "QuotaExhausted",
    "Record",
    "Span",
    "Summary",
    "Surface",
    "Unit",
    "UsageRow",
    "UsageSum",
    "alert",
    "calls_of_models",
    "cells",
    "drain",
    "drain_orphans",
    "give_back_units",
    "last_days",
    "put_back_unit",
    "quota",
    "record",
    "roll_up",
    "rows_by",
    "span_of",
    "summary",
    "take_unit",
    "this_month",
    "tidy",
    "total",
    "used_this_month",
    "verify",
]
