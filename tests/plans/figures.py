"""The default plan as the contract has it, for tests that need its figures."""

from portal.plans import DEFAULT, Plan

FIGURES = {
    "name": DEFAULT,
    "rate": "60/minute;2000/hour",
    "monthly_predictions": 10_000,
    "monthly_compute_s": 36_000,
    "concurrency": 2,
    "max_upload_mb": None,
    "max_keys": 5,
    "max_key_days": 365,
    "models": [],
}
DEFAULT_PLAN = Plan(**FIGURES)
