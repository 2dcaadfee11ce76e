"""The forms that make a key, and that rename, restrict and rotate one.

The service checks what is typed; a form shows its refusals beside the fields.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import (  # type: ignore[attr-defined]
    HiddenField,
    SelectChoice,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.widgets import CheckboxInput, ListWidget

from portal.accounts import Role, User
from portal.errors import Invalid
from portal.keys.lifetimes import NEVER, check_lifetime, parse_lifetime
from portal.keys.restrictions import Restrictions, entries_in, read_restrictions
from portal.keys.rotation import Until, parse_overlap
from portal.keys.tables import ApiKey, Scope
from portal.plans import Plan
from portal.web.forms import PortalForm

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
SCOPES = {
    Scope.PREDICT: _("Call models"),
    Scope.USAGE_READ: _("Read your usage"),
    Scope.MODELS_WRITE: _("Load and unload models"),
}


def _choices(lives: Iterable[str]) -> list[Any]:
    return [SelectChoice(life, LIVES[life]) for life in lives]


class NameForm(PortalForm):
    """A name."""

    name = StringField(_("Name"))


class RenameForm(NameForm):
    """Another name for the key with the id *key_id*, in that key's row."""

    def __init__(self, key_id: int) -> None:
        super().__init__()
        self.key_id = key_id
        # The page has a field "name" for each of the keys, and for a new one.
        self.name.id = f"name-{key_id}"


class RestrictionsForm(PortalForm):
    """What a key is narrowed to: one entry per line, or with commas between them."""

    models = TextAreaField(_("Models"))
    addresses = TextAreaField(_("Addresses"))
    origins = TextAreaField(_("Web pages"))

    @classmethod
    def of(cls, restrictions: Restrictions) -> "RestrictionsForm":
        """Return the form that shows *restrictions*, whatever was sent."""
        shown = {
            kind: "\n".join(entries) for kind, entries in asdict(restrictions).items()
        }
        return cls(formdata=None, data=shown)

    @property
    def restricts(self) -> bool:
        """Whether anything is typed, or wrong, here."""
        fields = (self.models, self.addresses, self.origins)
        return any(field.data or field.errors for field in fields)

    def restrictions(self) -> Restrictions:
        """Return what was typed.

        Raises:
            Invalid: An entry can't be used.
        """
        return read_restrictions(
            models=entries_in(self.models.data or ""),
            addresses=entries_in(self.addresses.data or ""),
            origins=entries_in(self.origins.data or ""),
        )


class RotationForm(PortalForm):
    """How long the old secret works, and how long the key lives from then on."""

    # Whoever sends the form twice, or after another rotation, ends nothing new.
    prefix = HiddenField()
    overlap = SelectField(
        _("The old secret works for"),
        choices=[
            SelectChoice("now", _("no longer")),
            SelectChoice("1h", _("1 hour")),
            SelectChoice("1d", _("1 day")),
            SelectChoice("7d", _("7 days")),
            SelectChoice("30d", _("30 days")),
        ],
        default="1d",
    )
    expires_in = SelectField(
        _("The key expires"),
        choices=[
            SelectChoice("", _("as before")),
            *_choices(life for life in LIVES if life != NEVER),
        ],
        default="",
    )

    @classmethod
    def of(cls, api_key: ApiKey) -> "RotationForm":
        """Return the form that rotates the secret that *api_key* has now."""
        return cls(formdata=None, data={"prefix": api_key.prefix})

    @property
    def until(self) -> Until:
        """What was chosen."""
        expires_in = self.expires_in.data
        return Until(
            parse_overlap(str(self.overlap.data)),
            parse_lifetime(expires_in) if expires_in else None,
        )


class KeyForm(NameForm, RestrictionsForm):
    """A name, a lifetime, scopes and restrictions."""

    scopes = SelectMultipleField(
        _("What it may do"),
        default=[str(Scope.PREDICT)],
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )
    expires_in = SelectField(_("Expires in"), choices=_choices(LIVES), default="90d")

    def offer(self, plan: Plan) -> None:
        """Offer what *plan* allows alone."""
        self.expires_in.choices = _choices(
            life for life in LIVES if _is_allowed(life, plan)
        )

    def __init__(self, user: User, *, is_sent: bool = True) -> None:
        """Make the form for *user*: as it was sent, or a fresh one."""
        super().__init__(**{} if is_sent else {"formdata": None})
        self.scopes.choices = [
            SelectChoice(str(scope), words)
            for scope, words in SCOPES.items()
            if scope is not Scope.MODELS_WRITE or user.role != Role.USER
        ]

    @property
    def chosen_scopes(self) -> list[Scope]:
        """The scopes chosen; without any, the default."""
        return [Scope(scope) for scope in self.scopes.data or [Scope.PREDICT]]

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
