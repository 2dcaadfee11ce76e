"""The developer pages: the first call, every model, every error."""

import json
from typing import Any

from flask import Blueprint, Response
from flask_login import current_user

from portal import catalog, plans
from portal.extensions import config
from portal.reference import examples, kinds, leaks
from portal.reference.triton import triton_example
from portal.web import render

bp = Blueprint("reference", __name__, url_prefix="/docs")


@bp.get("")
def index() -> Response:
    """Show how to make the first call."""
    base_url = config().base_url
    return _page(
        "reference/index.html",
        picture=examples.to_fetch(base_url, "ocr", "image", "receipt.png"),
        ocr=examples.for_upload(base_url, "ocr", "image", "receipt.png"),
        iris=examples.for_json(base_url, "iris", {"features": [[5.1, 3.5, 1.4, 0.2]]}),
        answer=examples.OCR_ANSWER,
        problem=examples.PROBLEM,
        report_command=leaks.report_command(base_url),
        gitleaks_rule=leaks.GITLEAKS_RULE,
    )


@bp.get("/errors")
def errors() -> Response:
    """Explain every kind of error."""
    return _page("reference/errors.html", kinds=kinds.kinds())


@bp.get("/models/<name>")
def model(name: str) -> Response:
    """Show what a model takes and gives, and how to call it."""
    viewer = current_user if current_user.is_authenticated else None
    version = catalog.find_model(name, viewer=viewer).live
    base_url = config().base_url
    return _page(
        "reference/model.html",
        name=name,
        version=version,
        description=version.description,
        url=examples.predict_url(base_url, name),
        examples=examples.for_version(base_url, version),
        openai=examples.for_openai(base_url, version),
        triton=triton_example(base_url, version),
    )


@bp.app_template_filter()
def pretty_json(document: object) -> str:
    """Write *document* as JSON for people, its keys in their own order."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def _page(template: str, **context: Any) -> Response:  # noqa: ANN401 - a template's
    is_known = current_user.is_authenticated
    return render(
        template,
        models=catalog.list_public(),
        plan=current_user.plan if is_known else plans.default(),
        max_upload_mb=config().max_upload_mb,
        **context,
    )
