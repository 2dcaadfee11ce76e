"""Plans: named sets of allowances."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """What a user may use.

    Attributes:
        name: Shown to the user.
        rate: Predictions per window, in Flask-Limiter's notation.
        monthly_predictions: Answered predictions (2xx) per calendar month, UTC.
        concurrency: Predictions at the same time.
        max_keys: API keys that are neither revoked nor expired.
        max_key_days: The longest life of a key, in days.
    """

    name: str
    rate: str
    monthly_predictions: int
    concurrency: int
    max_keys: int
    max_key_days: int


DEFAULT_PLAN = Plan(
    name="default",
    rate="60/minute;2000/hour",
    monthly_predictions=10_000,
    concurrency=2,
    max_keys=5,
    max_key_days=365,
)
