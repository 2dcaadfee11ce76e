"""Rates and concurrency: how much of the portal a caller may use."""

from portal.limits.leases import Lease, Leases
from portal.limits.rates import (
    Allowance,
    Hit,
    RateExceeded,
    RateLimits,
    checked_rate,
)
from portal.limits.slots import Slots, SlotsTaken
from portal.limits.storage import FailoverStorage

__all__ = [
    "Allowance",
    "FailoverStorage",
    "Hit",
    "Lease",
    "Leases",
    "RateExceeded",
    "RateLimits",
    "Slots",
    "SlotsTaken",
    "checked_rate",
]
