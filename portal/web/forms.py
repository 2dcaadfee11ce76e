"""What every form shares: the services check what is typed, a form says it."""

from flask_wtf import FlaskForm

from portal.errors import Invalid, PortalError
from portal.web.errors import sentence


class PortalForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form that shows what a service refused."""

    def show(self, refusal: PortalError) -> None:
        """Show *refusal* beside its field, or above the form."""
        name = refusal.field if isinstance(refusal, Invalid) else ""
        if name in self:
            self[name].errors = [sentence(refusal)]
        else:
            self.form_errors.append(sentence(refusal))
