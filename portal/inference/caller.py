"""Whoever asks for a prediction, and what they may still use."""

from dataclasses import dataclass, field

from portal.accounts import User
from portal.extensions import config, parts
from portal.keys import ApiKey
from portal.limits import Allowance
from portal.plans import Plan
from portal.usage import Surface

ANONYMOUS_CONCURRENCY = 1


@dataclass(frozen=True)
class Caller:
    """Whoever asks for a prediction.

    Attributes:
        surface: The way in.
        network: What limits per address count.
        user: None for a visitor.
        api_key: None in the playground.
        user_id, api_key_id: Of these. A rollback makes rows forget what they
            hold, and a database that was just lost can't be asked again.
        plan: Of the user, as it was within a second. Anybody may sign up with any
            address, so until it is verified the limits of a visitor hold: None.
    """

    surface: Surface
    network: str
    user: User | None = None
    api_key: ApiKey | None = None
    user_id: int | None = field(init=False)
    api_key_id: int | None = field(init=False)
    plan: Plan | None = field(init=False)

    def __post_init__(self) -> None:
        """Keep what the limits need."""
        api_key_id = self.api_key.id if self.api_key else None
        object.__setattr__(self, "user_id", self.user.id if self.user else None)
        object.__setattr__(self, "api_key_id", api_key_id)
        plan = self.user.plan if self.user and self.user.is_verified else None
        object.__setattr__(self, "plan", plan)

    @property
    def limit_key(self) -> str:
        """What rates and slots are counted for: a user's keys all together."""
        return f"user:{self.user_id}" if self.plan else f"address:{self.network}"

    @property
    def rate(self) -> str:
        """The rate that holds, in Flask-Limiter's notation."""
        return self.plan.rate if self.plan else config().anonymous_rate

    @property
    def concurrency(self) -> int:
        """How many predictions may run at the same time."""
        return self.plan.concurrency if self.plan else ANONYMOUS_CONCURRENCY

    @property
    def max_upload_mb(self) -> int | None:
        """The longest body of a call; None: as the portal's."""
        return self.plan.max_upload_mb if self.plan else None


def allowances_left(caller: Caller) -> tuple[Allowance, ...]:
    """Return what *caller* has left of each rate; counts nothing."""
    return parts().rates.left(caller.rate, "predict", caller.limit_key)
