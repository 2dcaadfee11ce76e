"""What a key, or a wish for one, is refused for."""

from portal.errors import Conflict, Forbidden, Unauthenticated
from portal.plans import Plan


class KeyRefused(Unauthenticated):
    """A secret that opens nothing; the same words whatever the reason."""

    def __init__(self) -> None:
        super().__init__(
            "This key is not valid. It may be mistyped, expired or revoked.",
            error="invalid_token",
        )


class UserUnverified(Forbidden):
    """The key's user has not confirmed the address yet."""

    def __init__(self) -> None:
        super().__init__(
            "Keys need a confirmed address. Open the link that we mailed you, "
            "or log in and ask for a new one."
        )


class ScopeNotYours(Forbidden):
    """Only publishers and owners may have keys that change models."""

    def __init__(self, scope: str) -> None:
        super().__init__(
            "The scope %(scope)s is for publishers and owners only.", scope=scope
        )


class KeyActive(Conflict):
    """A key that still opens the API can't be deleted."""

    def __init__(self) -> None:
        super().__init__("This key still works. Revoke it first, then delete it.")


class KeysExhausted(Conflict):
    """As many keys are active as the plan allows."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(
            "Your plan “%(plan)s” allows %(amount)d active keys. "
            "Revoke one, then create another.",
            plan=plan.name,
            amount=plan.max_keys,
        )
