"""The forms that make a key and rename one.

The service checks what is typed; a form shows its refusals beside the fields.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import SelectChoice, SelectField, StringField  # type: ignore[attr-defined]

from portal.errors import Invalid, PortalError
from portal.keys.lifetimes import NEVER, check_lifetime, parse_lifetime
from portal.plans import Plan
from portal.web.errors import sentence

LIVES = {
    "10m": _("10 minutes"),
    "1h": _("1 hour"),
    "1d": _("1 day"),
    "7d": _("7 days"),
    "30d": _("30 days"),
    "90d": _("90 days"),
    "365d": _("1 year"),
    NEVER: _("Never"),
}


def _choices(lives: Iterable[str]) -> list[Any]:
    return [SelectChoice(life, LIVES[life]) for life in lives]


class NameForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A name."""

    name = StringField(_("Name"))

    def show(self, refusal: PortalError) -> None:
        """Show *refusal* beside its field, or above the form."""
        name = refusal.field if isinstance(refusal, Invalid) else ""
        if name in self:
            self[name].errors = [sentence(refusal)]
        else:
            self.form_errors.append(sentence(refusal))


class RenameForm(NameForm):
    """Another name for the key with the id *key_id*, in that key's row."""

    def __init__(self, key_id: int) -> None:
        super().__init__()
        self.key_id = key_id
        # The page has a field "name" for each of the keys, and for a new one.
        self.name.id = f"name-{key_id}"


class KeyForm(NameForm):
    """A name and a lifetime."""

    expires_in = SelectField(_("Expires in"), choices=_choices(LIVES), default="90d")

    def offer(self, plan: Plan) -> None:
        """Offer what *plan* allows alone."""
        self.expires_in.choices = _choices(
            life for life in LIVES if _is_allowed(life, plan)
        )

    @property
    def lifetime(self) -> timedelta | None:
        """The chosen lifetime; None: for ever."""
        return parse_lifetime(str(self.expires_in.data))


def _is_allowed(life: str, plan: Plan) -> bool:
    try:
        check_lifetime(parse_lifetime(life), max_days=plan.max_key_days)
    except Invalid:
        return False
    return True
