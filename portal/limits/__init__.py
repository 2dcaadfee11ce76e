"""Plans, rates and concurrency: how much of the portal a caller may use."""

from portal.limits.plans import DEFAULT_PLAN, Plan
from portal.limits.rates import Allowance, RateExceeded, RateLimits
from portal.limits.slots import Slots, SlotsTaken
from portal.limits.storage import FailoverStorage

__all__ = [
    "DEFAULT_PLAN",
    "Allowance",
    "FailoverStorage",
    "Plan",
    "RateExceeded",
    "RateLimits",
    "Slots",
    "SlotsTaken",
]
