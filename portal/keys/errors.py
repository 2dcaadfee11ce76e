"""What a key, or a wish for one, is refused for."""

from collections.abc import Sequence

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


class KeyOver(Conflict):
    """A key that opens nothing any more gets no new secret."""

    def __init__(self) -> None:
        super().__init__("This key is revoked or expired. Create another in its place.")


class KeyRotated(Conflict):
    """The secret that was to be replaced has been replaced already."""

    def __init__(self, prefix: str) -> None:
        super().__init__(
            "This key was rotated meanwhile: its new secret begins with "
            "mp_%(prefix)s. To rotate it once more, reload the page.",
            prefix=prefix,
        )


class PreviousSecretWorks(Conflict):
    """A key has two secrets at most."""

    def __init__(self) -> None:
        super().__init__(
            "The secret before this one still works. End it, then rotate again."
        )


class ModelNotAllowed(Forbidden):
    """The key is for other models."""

    def __init__(self, name: str, allowed: Sequence[str]) -> None:
        super().__init__(
            "This key may not call the model %(name)s; it is restricted to "
            "%(allowed)s.",
            name=name,
            allowed=", ".join(allowed),
        )


class AddressNotAllowed(Forbidden):
    """The key is for other addresses; which, a thief is not told."""

    def __init__(self, address: str) -> None:
        super().__init__(
            "This key may not be used from the address %(address)s; it is restricted "
            "to others.",
            address=address,
        )


class OriginNotAllowed(Forbidden):
    """The key is for the web pages of other origins."""

    def __init__(self, origin: str) -> None:
        if origin:
            super().__init__(
                "This key may not be used by web pages of %(origin)s; it is "
                "restricted to other origins.",
                origin=origin[:300],
            )
        else:
            super().__init__(
                "This key is restricted to web pages of certain origins, and this "
                "call has no header Origin, which browsers send."
            )
