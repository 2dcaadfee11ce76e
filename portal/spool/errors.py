"""What can't be written down."""

from portal.errors import Unavailable


class SpoolUnwritable(Unavailable):
    """The disk takes no record, so nothing may be answered that would need one."""

    def __init__(self) -> None:
        super().__init__(
            "Your call can't be counted just now, so it isn't answered. "
            "Please try again in a minute.",
            retry_after_s=60,
        )
