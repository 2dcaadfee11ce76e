"""Finding, making, changing and deleting plans."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete as delete_from
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal import audit
from portal.db import db, exclusive
from portal.plans.errors import PlanInUse, PlanKept, PlanNotFound, PlanTaken
from portal.plans.tables import DEFAULT, Plan
from portal.plans.terms import CHECKS, NAME, Terms, checked, checked_name

TERMS = tuple(CHECKS)


def find(name: str) -> Plan:
    """Return the plan of this name.

    Raises:
        PlanNotFound: There is none.
    """
    plan = find_if_any(name)
    if plan is None:
        raise PlanNotFound(name)
    return plan


def find_if_any(name: str) -> Plan | None:
    """Return the plan of this name, if there is one."""
    # PostgreSQL can't even be asked for a name that holds NUL.
    if not NAME.fullmatch(name):
        return None
    return db.session.scalar(select(Plan).where(Plan.name == name))


def default() -> Plan:
    """Return the plan of whoever has no other."""
    return find(DEFAULT)


def list_all() -> Sequence[Plan]:
    """Return every plan: the default one, then the others by name."""
    plans = db.session.scalars(select(Plan).order_by(Plan.name)).all()
    return sorted(plans, key=lambda plan: not plan.is_default)


def create(name: str, terms: Terms, *, actor_id: int | None = None) -> Plan:
    """Make a plan; what *terms* leave out is as in the default plan.

    Raises:
        Invalid: The name or a term can't be used.
        PlanTaken: There is one of this name.
    """
    name, kept = checked_name(name), checked(terms)
    lock()
    if find_if_any(name) is not None:
        raise PlanTaken(name)
    plan = Plan(name=name, **(_terms_of(default()) | kept))
    db.session.add(plan)
    db.session.flush()
    said = {term: _said(value) for term, value in _terms_of(plan).items()}
    audit.record("plan.created", subject=subject(plan), actor_id=actor_id, **said)
    return plan


def change(plan: Plan, terms: Terms, *, actor_id: int | None = None) -> None:
    """Change these *terms* of *plan*; writing down what is so already does nothing.

    Raises:
        Invalid: A term can't be used.
        PlanNotFound: It was deleted meanwhile.
    """
    wanted = checked(terms)
    lock()
    name = plan.name
    db.session.expire(plan)
    plan = find(name)
    before = _terms_of(plan)
    changed = {term: value for term, value in wanted.items() if value != before[term]}
    if not changed:
        return
    for term, value in changed.items():
        setattr(plan, term, value)
    db.session.flush()
    audit.record(
        "plan.changed",
        subject=subject(plan),
        actor_id=actor_id,
        **{
            term: f"{_said(before[term])} → {_said(value)}"
            for term, value in changed.items()
        },
    )


def delete(plan: Plan, *, actor_id: int | None = None) -> None:
    """Delete *plan*; deleting it again changes nothing.

    Raises:
        PlanKept: It is the default one.
        PlanInUse: People have it.
    """
    if plan.is_default:
        raise PlanKept(plan.name)
    name, what = plan.name, subject(plan)
    lock()
    try:
        gone = db.session.scalar(
            delete_from(Plan).where(Plan.id == plan.id).returning(Plan.id)
        )
    except IntegrityError:
        # The database knows who points to it: `users`, which no plan knows.
        raise PlanInUse(name) from None
    if gone is not None:
        audit.record("plan.deleted", subject=what, actor_id=actor_id)


def lock() -> None:
    """Let one transaction at a time change plans or who has them."""
    exclusive("plans")


def subject(plan: Plan) -> str:
    """Return what the audit trail calls *plan*."""
    return f"plan:{plan.name}"


def _terms_of(plan: Plan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in TERMS}


def _said(value: object) -> str:
    """Return *value* as the audit trail writes it down."""
    if value is None:
        return "no limit of its own"
    return (", ".join(value) or "all") if isinstance(value, list) else str(value)
