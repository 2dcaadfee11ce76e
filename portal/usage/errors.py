"""What a call is refused for when it is counted."""

from portal.errors import LimitExceeded


class MonthSpent(LimitExceeded):
    """Something of the month is used up."""

    @property
    def headers(self) -> dict[str, str]:
        """When to come back; clients that try again by themselves are to give up."""
        return {**super().headers, "x-should-retry": "false"}


class ComputeExhausted(MonthSpent):
    """The month's compute seconds are used up."""

    def __init__(self, limit_s: int, *, retry_after_s: int) -> None:
        super().__init__(
            "You have used all %(limit)d compute seconds of this month. "
            "The next month begins at 00:00 UTC on its first day.",
            retry_after_s=retry_after_s,
            policy="monthly-compute",
            limit=limit_s,
        )


class QuotaExhausted(MonthSpent):
    """The month's predictions are used up."""

    def __init__(self, limit: int, *, retry_after_s: int) -> None:
        super().__init__(
            "You have used all %(limit)d predictions of this month. "
            "The next month begins at 00:00 UTC on its first day.",
            retry_after_s=retry_after_s,
            policy="monthly",
            limit=limit,
        )
