"""The models as the back office lists them, and what happened to one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true

from portal.accounts import User
from portal.audit import AuditEvent
from portal.catalog.tables import (
    Model,
    ModelStatus,
    ModelVersion,
    Visibility,
    subject,
)
from portal.db import db
from portal.web.pagination import Page, page_of

HISTORY = 20  # events: the audit trail has the rest
_IS_LIVE_VERSION = and_(
    ModelVersion.model_id == Model.id, ModelVersion.number == Model.live_number
)
_STATUS: dict[ModelStatus, ColumnElement[bool]] = {
    ModelStatus.LIVE: and_(
        Model.withdrawn_at.is_(None), Model.live_number.is_not(None)
    ),
    ModelStatus.WITHDRAWN: Model.withdrawn_at.is_not(None),
    ModelStatus.NO_VERSION: and_(
        Model.withdrawn_at.is_(None), Model.live_number.is_(None)
    ),
}


@dataclass(frozen=True)
class ModelFacts:
    """A line of the list.

    Attributes:
        title: That of the live version; empty without one.
        versions: How many there are.
        publisher: Their address; empty for the command line.
    """

    model: Model
    title: str
    task: str
    versions: int
    publisher: str


class ModelEvent(NamedTuple):
    """An audit event of a model, and the address of who did it."""

    event: AuditEvent
    actor: str | None


def list_for(
    reader: User,
    *,
    search: str = "",
    status: ModelStatus | None = None,
    before: int | None = None,
) -> Page[ModelFacts]:
    """Return a page of the models that the back office shows *reader*.

    Args:
        reader: An owner sees all, a publisher no private ones of others.
        search: A part of the name or the title, in any case; empty: all.
        status: Only those of this status.
        before: As in `page_of`.
    """
    query = select(Model).where(_is_shown(reader))
    if search:
        query = query.where(_matches(search))
    if status:
        query = query.where(_STATUS[status])
    page = page_of(query, Model.id, before=before)
    return Page(_with_facts(page.rows), page.before, page.older)


def facts_of(model: Model) -> ModelFacts:
    """Return what the list says of *model*."""
    return _with_facts([model])[0]


def versions_of(model: Model, *, before: int | None = None) -> Page[ModelVersion]:
    """Return a page of the versions of *model*, the latest first."""
    query = select(ModelVersion).where(ModelVersion.model_id == model.id)
    return page_of(query, ModelVersion.id, before=before)


def history(model: Model) -> Sequence[ModelEvent]:
    """Return what happened to *model* lately, the latest first."""
    rows = db.session.execute(
        _events(model).order_by(AuditEvent.id.desc()).limit(HISTORY)
    )
    return [ModelEvent(*row) for row in rows]


def publications(model: Model) -> dict[int, ModelEvent]:
    """Return the event that published each version of *model* first."""
    published = _events(model).where(AuditEvent.action == "model.published")
    rows = db.session.execute(published.order_by(AuditEvent.id.desc()))
    # The first of a version comes last, and stays.
    return {row[0].details["version"]: ModelEvent(*row) for row in rows}


def _is_shown(reader: User) -> ColumnElement[bool]:
    if reader.is_owner:
        return true()
    return or_(Model.visibility != Visibility.PRIVATE, Model.owner_id == reader.id)


def _matches(search: str) -> ColumnElement[bool]:
    # PostgreSQL can't be asked for a text that holds NUL.
    words = search.replace("\0", "").strip()
    title = ModelVersion.manifest["title"].as_string()
    return or_(
        Model.name.icontains(words, autoescape=True),
        select(ModelVersion.id)
        .where(_IS_LIVE_VERSION, title.icontains(words, autoescape=True))
        .exists(),
    )


def _with_facts(models: Sequence[Model]) -> list[ModelFacts]:
    """Read what the list says of each, without the manifests themselves."""
    count = (
        select(func.count())
        .where(ModelVersion.model_id == Model.id)
        .correlate(Model)
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(
            Model.id,
            ModelVersion.manifest["title"].as_string(),
            ModelVersion.manifest["task"].as_string(),
            count,
            User.email,
        )
        .outerjoin(ModelVersion, _IS_LIVE_VERSION)
        .outerjoin(User, User.id == Model.owner_id)
        .where(Model.id.in_([model.id for model in models]))
    )
    facts = {model_id: more for model_id, *more in rows}
    return [_facts(model, *facts[model.id]) for model in models]


def _facts(
    model: Model, title: str | None, task: str | None, count: int, email: str | None
) -> ModelFacts:
    return ModelFacts(model, title or "", task or "", count, email or "")


def _events(model: Model) -> Select[AuditEvent, str]:
    return (
        select(AuditEvent, User.email)
        .outerjoin(User, User.id == AuditEvent.actor_id)
        .where(AuditEvent.subject == subject(model.name))
    )
