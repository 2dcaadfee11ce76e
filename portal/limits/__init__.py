"""Plans, rates and concurrency: how much of the portal a caller may use."""

from portal.limits.leases import Lease, Leases
from portal.limits.plans import DEFAULT_PLAN, Plan
from portal.limits.rates import Allowance, Hit, RateExceeded, RateLimits
from portal.limits.slots import Slots, SlotsTaken
from portal.limits.storage import FailoverStorage

__all__ = [
    "DEFAULT_PLAN",
    "Allowance",
    "FailoverStorage",
    "Hit",
    "Lease",
    "Leases",
    "Plan",
    "RateExceeded",
    "RateLimits",
    "Slots",
    "SlotsTaken",
]
