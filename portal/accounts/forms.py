"""The forms of signup, login and the account page.

The services check what is typed; a form shows their refusals beside its fields.
"""

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, EmailField, HiddenField, PasswordField

from portal.web.forms import PortalForm


class AccountForm(PortalForm):
    """What the forms here share."""

    def typed(self, name: str) -> str:
        """Return what was typed into the field *name*; empty when it wasn't sent."""
        return str(self[name].data or "")


class AddressForm(AccountForm):
    """An address to send a link to."""

    email = EmailField(_("E-mail address"))


class CredentialsForm(AddressForm):
    """An address and a password: signs up, or makes the first owner."""

    password = PasswordField(_("Password"))


class SignupPasswordForm(AccountForm):
    """The password of a signup, for a browser that did not choose it."""

    password = PasswordField(_("The password you chose"))


class LoginForm(CredentialsForm):
    """Logs in, and goes on to where the reader wanted to go."""

    remember = BooleanField(_("Keep me logged in"))
    next = HiddenField()


class NewPasswordForm(AccountForm):
    """A new password, for who has a link."""

    password = PasswordField(_("New password"))


class PasswordChangeForm(NewPasswordForm):
    """A new password, for who is logged in."""

    current_password = PasswordField(_("Current password"))
