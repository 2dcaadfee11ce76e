"""What the owner's commands share: one sentence and the right exit status.

A wrong argument ends with 2, a refused operation with 1.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from flask.cli import AppGroup

from portal.db import db
from portal.errors import Invalid, PortalError

P = ParamSpec("P")
R = TypeVar("R")


class WrongArgument(click.ClickException):
    """An argument that can't be used, said without the usage lines."""

    exit_code = 2


class CommandGroup(AppGroup):
    """Commands that say what was wrong with an argument, without the usage."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            # With a context click prints two lines of usage before the sentence.
            error.ctx = None
            raise


def refusals_end_with_1(command: Callable[P, R]) -> Callable[P, R]:
    """End a refused operation with its sentence and exit status 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except PortalError as error:
            raise click.ClickException(str(error)) from None

    return run


@contextmanager
def refusals_told() -> Iterator[None]:
    """End with one sentence: exit status 2 for a wrong argument, else 1."""
    try:
        yield
    except PortalError as refusal:
        db.session.rollback()
        kind = WrongArgument if isinstance(refusal, Invalid) else click.ClickException
        raise kind(str(refusal)) from None
