"""What a plan may say: each of its terms within its bounds."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from portal.errors import Invalid, pointer
from portal.extensions import config
from portal.limits import checked_rate

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
MAX_MODELS = 200


class Terms(TypedDict, total=False):
    """Some terms of a plan, by the names of its columns."""

    rate: str
    monthly_predictions: int
    monthly_compute_s: int
    concurrency: int
    max_upload_mb: int | None
    max_keys: int
    max_key_days: int | None
    models: Sequence[str]


class _Bounds(NamedTuple):
    """From and up to which number; above, a counter or a date would overflow."""

    least: int
    most: int
    message: str


BOUNDS = {
    "monthly_predictions": _Bounds(
        0, 1_000_000_000, "Predictions a month: a number from %(least)d to %(most)d."
    ),
    "monthly_compute_s": _Bounds(
        0,
        1_000_000_000,
        "Compute seconds a month: a number from %(least)d to %(most)d.",
    ),
    "concurrency": _Bounds(
        1, 100_000, "Calls at the same time: a number from %(least)d to %(most)d."
    ),
    "max_upload_mb": _Bounds(
        1, 1024, "The longest upload in MB: a number from %(least)d to %(most)d."
    ),
    "max_keys": _Bounds(0, 1000, "Keys: a number from %(least)d to %(most)d."),
    "max_key_days": _Bounds(
        1, 3650, "The longest life of a key: %(least)d to %(most)d days."
    ),
}
MAY_BE_NONE = {"max_upload_mb", "max_key_days"}


def checked_name(name: str) -> str:
    """Return *name* if a plan can be called so.

    Raises:
        Invalid: It can't.
    """
    if not NAME.fullmatch(name):
        raise Invalid(
            "A plan's name is 1 to 40 of a-z, 0-9 and -, "
            "beginning with a letter or digit.",
            pointer="/name",
        )
    return name


def checked(terms: Terms) -> dict[str, Any]:
    """Return *terms* as they are kept.

    Raises:
        Invalid: One of them is no such term; it says what is.
    """
    return {name: CHECKS[name](value) for name, value in terms.items()}


def _checked_models(names: Sequence[str]) -> list[str]:
    for name in names:
        if not MODEL_NAME.fullmatch(name):
            raise Invalid(
                "“%(name)s” can't be the name of a model.",
                pointer="/models",
                name=name[:80],
            )
    if len(set(names)) > MAX_MODELS:
        raise Invalid(
            "A plan names at most %(most)d models; name none to allow all.",
            pointer="/models",
            most=MAX_MODELS,
        )
    return sorted(set(names))


def _number(name: str) -> Callable[[int | None], int | None]:
    def check(value: int | None) -> int | None:
        if value is None and name in MAY_BE_NONE:
            return None
        least, most, message = BOUNDS[name]
        if name == "max_upload_mb":
            most = min(most, config().max_upload_mb)
        if not isinstance(value, int) or not least <= value <= most:
            raise Invalid(message, pointer=pointer(name), least=least, most=most)
        return value

    return check


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "rate": checked_rate,
    "models": _checked_models,
    **{name: _number(name) for name in BOUNDS},
}
