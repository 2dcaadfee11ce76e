"""What stands against reading a message, or sending it again."""

from portal.errors import Conflict, NotFound


class MessageNotFound(NotFound):
    """No message has this number."""

    def __init__(self) -> None:
        super().__init__("There is no such message.")


class MessageSent(Conflict):
    """A server has taken it; another copy would only confuse."""

    def __init__(self) -> None:
        super().__init__("This message was sent, so it is not sent again.")


class MessageClaimed(Conflict):
    """A worker is at it."""

    def __init__(self) -> None:
        super().__init__(
            "This message is being sent now. Look again in a minute or two."
        )
