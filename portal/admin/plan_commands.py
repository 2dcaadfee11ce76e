"""`flask plans`: list, set, assign and delete plans from the command line.

Not in the package `plans`: it knows neither people nor models.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

import click

from portal import accounts, plans
from portal.admin import plans as deeds
from portal.db import db
from portal.plans import Terms
from portal.web.commands import CommandGroup, WrongArgument, refusals_told

group = CommandGroup("plans", help="List, make, change, assign and delete plans.")


class NumberOr(click.ParamType[int | str]):
    """A number, or a *word* that stands for having none."""

    name = "number"

    def __init__(self, word: str) -> None:
        self.word = word

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | str:
        """Return the number or the word, or end with exit status 2 and a sentence."""
        if value == self.word or isinstance(value, int):
            return self.word if value == self.word else int(str(value))
        if not str(value).isdecimal():
            self.fail(f"{value!r} is neither a number nor {self.word}.", param, ctx)
        return int(str(value))


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_plans(*, as_json: bool) -> None:
    """List the plans, and how many people have each."""
    rows = deeds.rows()
    if as_json:
        click.echo(json.dumps([_document(row) for row in rows], indent=2))
        return
    width = max(len(row.plan.name) for row in rows)
    for row in rows:
        click.echo(f"{row.plan.name:<{width}}  {_words(row)}")


@group.command("set")
@click.argument("name")
@click.option("--rate", help="Calls per window, such as 60/minute;2000/hour.")
@click.option(
    "--quota", "monthly_predictions", type=int, help="Answered predictions a month."
)
@click.option(
    "--compute-seconds", "monthly_compute_s", type=int, help="Of computing a month."
)
@click.option("--concurrency", type=int, help="Calls at the same time.")
@click.option(
    "--upload-mb",
    "max_upload_mb",
    type=NumberOr("portal"),
    help="The longest body of a call; portal: PORTAL_MAX_UPLOAD_MB.",
)
@click.option("--keys", "max_keys", type=int, help="Active keys.")
@click.option(
    "--key-days",
    "max_key_days",
    type=NumberOr("never"),
    help="The longest life of a key; never: keys need not expire.",
)
@click.option(
    "--models", help="Names with commas between them; all: every model may be called."
)
def set_plan(name: str, *, models: str | None, **numbers: Any) -> None:  # noqa: ANN401 - click's
    """Change the plan NAME; make it, as the default one else, if there is none."""
    terms = _terms(numbers, models)
    with refusals_told():
        plan = plans.find_if_any(name)
        if plan is None:
            plan = deeds.create(name, terms)
        elif terms:
            deeds.change(plan, terms)
        else:
            message = "Say what to change, such as --quota 20000."
            raise WrongArgument(message)
        db.session.commit()
    (row,) = [row for row in deeds.rows() if row.plan.name == name]
    click.echo(f"{name}: {_words(row)}")


@group.command("assign")
@click.argument("email")
@click.argument("name")
def assign(email: str, name: str) -> None:
    """Give the user EMAIL the plan NAME."""
    with refusals_told():
        user = accounts.find_by_email(email)
        accounts.assign_plan(user, plans.find(name))
        db.session.commit()
    click.echo(f"{user.email} has the plan {name} now.")


@group.command("delete")
@click.argument("name")
def delete(name: str) -> None:
    """Delete the plan NAME, which nobody may have."""
    with refusals_told():
        plans.delete(plans.find(name))
        db.session.commit()
    click.echo(f"The plan {name} is deleted.")


def _terms(numbers: Mapping[str, int | str | None], models: str | None) -> Terms:
    """Return what was said; left out is what wasn't."""
    given: dict[str, Any] = {
        term: None if value in {"portal", "never"} else value
        for term, value in numbers.items()
        if value is not None
    }
    if models is not None:
        named = [one.strip() for one in models.split(",") if one.strip()]
        given["models"] = [] if named == ["all"] else named
    return cast("Terms", given)


def _words(row: deeds.Row) -> str:
    plan = row.plan
    upload = "" if plan.max_upload_mb is None else f", {plan.max_upload_mb} MB a call"
    days = plan.max_key_days
    life = "for ever" if days is None else f"up to {days} days"
    people = "1 person" if row.people == 1 else f"{row.people} people"
    return (
        f"{plan.rate}, {plan.monthly_predictions} predictions and "
        f"{plan.monthly_compute_s} compute seconds a month, {plan.concurrency} at once"
        f"{upload}, {plan.max_keys} keys {life}, "
        f"models: {', '.join(plan.models) or 'all'}; {people}"
    )


def _document(row: deeds.Row) -> dict[str, Any]:
    plan = row.plan
    return {
        "name": plan.name,
        "rate": plan.rate,
        "quota": plan.monthly_predictions,
        "compute_seconds": plan.monthly_compute_s,
        "concurrency": plan.concurrency,
        "upload_mb": plan.max_upload_mb,
        "keys": plan.max_keys,
        "key_days": plan.max_key_days,
        "models": plan.models,
        "people": row.people,
    }
