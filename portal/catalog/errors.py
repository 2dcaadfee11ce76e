"""What the catalog refuses."""

from portal.errors import Conflict, Forbidden, NotFound


class ModelNotFound(NotFound):
    """No such model or version, or none for this reader."""


class ModelOfAnother(Forbidden):
    """A publisher changes their own models only."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "Only its publisher and the owners may change %(name)s.", name=name
        )


class ModelWithdrawn(Conflict):
    """No version can be made live: the model is taken off."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "%(name)s is withdrawn. Bring it back with flask models restore or in "
            "the back office, then choose its version.",
            name=name,
        )


class NoPreviousVersion(Conflict):
    """Nothing to roll back to."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "No other version of %(name)s was live before this one, so there is "
            "nothing to go back to. Name one: flask models promote %(name)s VERSION",
            name=name,
        )


class LiveVersionChanged(Conflict):
    """Another version is live than the one that was seen when choosing."""

    def __init__(self, number: int | None) -> None:
        super().__init__(
            "Version %(number)s was made live meanwhile; look again.", number=number
        )
