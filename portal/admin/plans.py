"""The owner's verbs over plans: who has them, and which models there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from portal import accounts, catalog, plans
from portal.errors import Invalid
from portal.plans import Plan, Terms


@dataclass(frozen=True)
class Row:
    """One plan in the list, and how many have it."""

    plan: Plan
    people: int


def rows() -> Sequence[Row]:
    """Return every plan: the default one, then the others by name."""
    people = accounts.count_by_plan()
    return [Row(plan, people.get(plan.name, 0)) for plan in plans.list_all()]


def create(name: str, terms: Terms, *, actor_id: int | None = None) -> Plan:
    """Make a plan.

    Raises:
        Invalid: The name or a term can't be used, or names a model that isn't there.
        PlanTaken: There is one of this name.
    """
    _check_models(terms)
    return plans.create(name, terms, actor_id=actor_id)


def change(plan: Plan, terms: Terms, *, actor_id: int | None = None) -> None:
    """Change these *terms* of *plan*.

    Raises:
        Invalid: A term can't be used, or names a model that isn't there.
        PlanNotFound: It was deleted meanwhile.
    """
    _check_models(terms, known=plan.models)
    plans.change(plan, terms, actor_id=actor_id)


def _check_models(terms: Terms, known: Sequence[str] = ()) -> None:
    """Refuse names of models that there aren't; those in *known* were named before."""
    named = set(terms.get("models", ())) - set(known)
    missing = named - {model.name for model in catalog.list_all()} if named else ()
    if missing:
        raise Invalid(
            "There is no model “%(name)s”.",
            pointer="/models",
            name=min(missing)[:80],
        )
