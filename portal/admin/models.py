"""What the room of the models shows, put together from the slices that keep it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request

from portal import catalog, runtime, usage
from portal.accounts import User
from portal.catalog import Model, ModelFacts, ModelStatus
from portal.extensions import config, parts
from portal.web.pagination import Page, page_asked_for

CALLS_DAYS = 7
MAX_SEARCH = 200  # characters: more than any name or title has


@dataclass(frozen=True)
class Asked:
    """Which models the address of a list asks for."""

    text: str
    status: ModelStatus | None
    before: int | None

    @classmethod
    def now(cls) -> "Asked":
        """Return what this request asks for; what is no status is ignored."""
        return cls(
            text=request.args.get("q", "")[:MAX_SEARCH].strip(),
            status=request.args.get("status", type=ModelStatus),
            before=page_asked_for(),
        )

    @property
    def address(self) -> dict[str, str]:
        """The parts of the address that every page of the list has."""
        parts = {"q": self.text, "status": str(self.status or "")}
        return {name: value for name, value in parts.items() if value}


def list_page(reader: User, asked: Asked) -> dict[str, Any]:
    """Return what the list shows *reader*."""
    page = catalog.list_for(
        reader, search=asked.text, status=asked.status, before=asked.before
    )
    return {"asked": asked, "listed": page, "calls": _calls(page)}


def model_page(reader: User, name: str) -> dict[str, Any]:
    """Return what the page of the model *name* shows *reader*.

    Raises:
        ModelNotFound: There is none, or *reader* may not know of it.
    """
    model = catalog.find_listed(name, reader=reader)
    facts = catalog.facts_of(model)
    is_theirs = catalog.is_theirs(model, reader)
    versions = catalog.versions_of(model, before=page_asked_for())
    return {
        "model": model,
        "facts": facts,
        "calls": _calls(Page([facts])).get(model.id, 0),
        "is_theirs": is_theirs,
        "versions": versions,
        "lately": catalog.lately(versions.rows),
        "portal_cpu_ms": runtime.PORTAL_CPU_MS,
        "safe_share": runtime.SAFE_SHARE,
        "publications": catalog.publications(model),
        "history": catalog.history(model) if is_theirs else [],
        **_elsewhere(model, is_theirs=is_theirs),
    }


def _elsewhere(model: Model, *, is_theirs: bool) -> dict[str, Any]:
    """Return where the live version lives, if not here, and whether it is ready there.

    The other server is asked now, for two seconds at most.
    """
    if not is_theirs or model.live_number is None or model.live.remote is None:
        return {"remote": None, "is_ready": False}
    spec = catalog.version_spec(model.live, config())
    return {"remote": model.live.remote, "is_ready": parts().pool.is_ready(spec)}


def _calls(page: Page[ModelFacts]) -> Mapping[int, int]:
    ids = [facts.model.id for facts in page.rows]
    return usage.calls_of_models(ids, days=CALLS_DAYS)
