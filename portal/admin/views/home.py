"""The front door of the back office."""

from flask import Blueprint, url_for
from flask.blueprints import BlueprintSetupState
from flask_login import current_user
from werkzeug import Response

from portal.accounts.login import role_required
from portal.accounts.tables import Role
from portal.admin import sections
from portal.web import see_other

bp = Blueprint("admin", __name__, url_prefix="/admin")


@bp.record_once
def _name_sections(state: BlueprintSetupState) -> None:
    state.app.jinja_env.globals["admin_sections"] = sections.open_to


@bp.get("")
@role_required(Role.PUBLISHER)
def index() -> Response:
    """Send the reader to the first room that is open to them."""
    first = sections.open_to(current_user)[0]
    return see_other(url_for(first.endpoint))
