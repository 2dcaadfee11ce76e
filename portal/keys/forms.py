"""The forms that make a key and rename one.

The service checks what is typed; a form shows its refusals beside the fields.
"""

from datetime import timedelta

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import SelectChoice, SelectField, StringField  # type: ignore[attr-defined]

from portal.errors import Invalid, PortalError
from portal.keys.lifetimes import parse_lifetime
from portal.web.errors import sentence


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

    expires_in = SelectField(
        _("Expires in"),
        choices=[
            SelectChoice("10m", _("10 minutes")),
            SelectChoice("1h", _("1 hour")),
            SelectChoice("1d", _("1 day")),
            SelectChoice("7d", _("7 days")),
            SelectChoice("30d", _("30 days")),
            SelectChoice("90d", _("90 days")),
            SelectChoice("365d", _("1 year")),
        ],
        default="90d",
    )

    @property
    def lifetime(self) -> timedelta:
        """The chosen lifetime."""
        return parse_lifetime(str(self.expires_in.data))
