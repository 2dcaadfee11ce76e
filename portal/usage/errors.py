"""What a call is refused for when it is counted."""

from portal.errors import LimitExceeded


class QuotaExhausted(LimitExceeded):
    """The month's predictions are used up."""

    def __init__(self, limit: int, *, retry_after_s: int) -> None:
        super().__init__(
            "You have used all %(limit)d predictions of this month. "
            "The next month begins at 00:00 UTC on its first day.",
            retry_after_s=retry_after_s,
            policy="monthly",
            limit=limit,
        )
