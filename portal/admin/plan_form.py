"""The form of a plan; the service checks what is typed."""

from collections.abc import Iterable
from typing import cast

from flask_babel import lazy_gettext as _
from wtforms import SelectMultipleField, StringField
from wtforms.widgets import CheckboxInput

from portal.plans import Plan, Terms
from portal.web.forms import PortalForm

NUMBERS = (
    "monthly_predictions",
    "monthly_compute_s",
    "concurrency",
    "max_upload_mb",
    "max_keys",
    "max_key_days",
)
MOST_DIGITS = 12


class PlanForm(PortalForm):
    """What a plan says; it begins as *plan* does.

    Args:
        plan: Which is shown.
        models: The names that may be chosen.
        is_fresh: Whether what was sent is left aside.
    """

    name = StringField(_("Name"))
    rate = StringField(_("Rate"))
    monthly_predictions = StringField(_("Predictions a month"))
    monthly_compute_s = StringField(_("Compute seconds"))
    concurrency = StringField(_("At the same time"))
    max_upload_mb = StringField(_("Longest upload, MB"))
    max_keys = StringField(_("Active keys"))
    max_key_days = StringField(_("Key life, days"))
    models = SelectMultipleField(
        _("Models"), option_widget=CheckboxInput(), validate_choice=False
    )

    def __init__(
        self, plan: Plan, models: Iterable[str], *, is_fresh: bool = False
    ) -> None:
        sent = {"formdata": None} if is_fresh else {}
        super().__init__(obj=plan, **sent)
        names = sorted({*models, *plan.models, *(self.models.data or ())})
        self.models.choices = [(name, name) for name in names]

    @property
    def terms(self) -> Terms:
        """What was typed; a number that is none is refused by the service."""
        terms: dict[str, object] = {
            "rate": str(self.rate.data or ""),
            "models": list(self.models.data or ()),
        }
        for name in NUMBERS:
            text = str(self[name].data or "").strip()
            is_number = text.isdecimal() and len(text) <= MOST_DIGITS
            terms[name] = int(text) if is_number else text or None
        return cast("Terms", terms)
