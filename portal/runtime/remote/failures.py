"""What the other server may do wrong, as its caller reads it, and as the owner does.

The sentence never repeats what the other server wrote; `reason` may.
"""

from portal.errors import Invalid, TimedOut, Unavailable


class RemoteFailed(Unavailable):
    """The other server gave no prediction.

    Attributes:
        reason: Why, for the owner; to stand behind the server's address.
    """

    sentence = "The model failed on this input. The portal's log tells its owner why."

    def __init__(self, reason: str, *, retry_after_s: int = 1) -> None:
        super().__init__(self.sentence, retry_after_s=retry_after_s)
        self.reason = reason


class RemoteBroke(RemoteFailed):
    """The other server says that the model failed."""


class RemoteAway(RemoteFailed):
    """The other server can't be reached, or broke off."""

    sentence = (
        "The server that the model lives on can't be reached at the moment. Please "
        "try again in a moment."
    )


class RemoteBusy(RemoteFailed):
    """The other server takes no more calls for the moment."""

    sentence = (
        "The server that the model lives on takes no more calls for the moment. "
        "Please try again in a moment."
    )


class RemoteMisses(RemoteFailed):
    """The other server doesn't have the model, or doesn't take the portal's token."""

    sentence = "The model can't be called at the moment. Its owner can mend it."


class RemoteInvalid(Invalid):
    """The other server refuses the values.

    Attributes:
        reason: Its own words, for the owner.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("The model could not run on this input.", "/inputs")
        self.reason = reason


class RemoteTimedOut(TimedOut):
    """The other server gave up before the time of the call was over.

    Attributes:
        reason: Its own words, for the owner.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The model was not done in time. A smaller input may take less."
        )
        self.reason = reason
