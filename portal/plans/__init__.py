"""Plans: named sets of allowances, which owners make and give to people."""

from portal.plans.errors import (
    ModelNotInPlan,
    PlanInUse,
    PlanKept,
    PlanNotFound,
    PlanTaken,
)
from portal.plans.service import (
    change,
    create,
    default,
    delete,
    find,
    find_if_any,
    list_all,
    lock,
    subject,
)
from portal.plans.tables import DEFAULT, Plan
from portal.plans.terms import Terms

__all__ = [
    "DEFAULT",
    "ModelNotInPlan",
    "Plan",
    "PlanInUse",
    "PlanKept",
    "PlanNotFound",
    "PlanTaken",
    "Terms",
    "change",
    "create",
    "default",
    "delete",
    "find",
    "find_if_any",
    "list_all",
    "lock",
    "subject",
]
