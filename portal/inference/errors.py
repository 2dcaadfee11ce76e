"""What a call is refused for before it runs."""

from portal.errors import LimitExceeded
from portal.limits import RateExceeded


class ModelRateExceeded(LimitExceeded):
    """Too many calls of one model by this caller."""

    def __init__(self, refusal: RateExceeded, model: str) -> None:
        super().__init__(
            "That is more than %(limit)d calls %(window)s for the model %(model)s. "
            "The next one can be answered in %(seconds)d seconds.",
            retry_after_s=refusal.retry_after_s,
            policy=f"model-{refusal.policy}",
            limit=refusal.refused.limit,
            window=refusal.refused.policy.replace("-", " "),
            model=model,
            seconds=refusal.retry_after_s,
        )
