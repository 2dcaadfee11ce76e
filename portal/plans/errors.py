"""What a change of the plans is refused for."""

from portal.errors import Conflict, Forbidden, NotFound


class PlanNotFound(NotFound):
    """There is no plan of this name."""

    def __init__(self, name: str) -> None:
        super().__init__("There is no plan “%(name)s”.", name=name[:40])


class PlanTaken(Conflict):
    """There is a plan of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__("There is a plan “%(name)s” already.", name=name)


class PlanKept(Conflict):
    """The plan of whoever has no other can't go."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "The plan “%(name)s” can be changed, but not deleted: "
            "it is the plan of everybody who was given no other.",
            name=name,
        )


class PlanInUse(Conflict):
    """People have this plan."""

    def __init__(self, name: str) -> None:
        super().__init__(
            "People have the plan “%(name)s”. Give them another one, then delete it.",
            name=name,
        )


class ModelNotInPlan(Forbidden):
    """A model that people with this plan may not call."""

    def __init__(self, model: str, plan: str) -> None:
        super().__init__(
            "Your plan “%(plan)s” does not include the model %(model)s.",
            plan=plan,
            model=model,
        )
