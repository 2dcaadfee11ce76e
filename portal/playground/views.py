"""The pages where a person tries a model, with or without JavaScript."""

from http import HTTPStatus

from flask import Blueprint, Response, request, send_file
from flask_login import current_user

from portal import catalog, inference
from portal.accounts import User
from portal.catalog import Model, ModelVersion
from portal.errors import LimitExceeded, PortalError, Unavailable
from portal.extensions import config, parts
from portal.inference import Caller, curl_command
from portal.playground import examples
from portal.playground.forms import (
    Submission,
    example_number,
    read_submission,
    typed_submission,
)
from portal.playground.gallery import card, is_online
from portal.playground.markdown import card_html
from portal.playground.results import (
    Result,
    example_result,
    mask_parts,
    sent_file,
    sent_picture,
)
from portal.usage import Surface
from portal.web import client_network, render, request_id
from portal.web.body import refuse_body_over
from portal.web.errors import sentence
from portal.web.request_log import add_fields

# The address of an example's file changes with the version.
EXAMPLE_MAX_AGE_S = 31536000
# What an owner published may not run as a page of this portal.
EXAMPLE_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"

bp = Blueprint("playground", __name__)
bp.add_app_template_filter(mask_parts)


@bp.get("/")
def gallery() -> Response:
    """Show the public models."""
    cards = [card(model) for model in catalog.list_public()]
    return render("playground/gallery.html", cards=cards)


@bp.get("/models/<name>")
def model(name: str) -> Response:
    """Show a model's form, and an example's result beside it."""
    version = catalog.find_model(name, viewer=_viewer()).live
    submission = Submission(example=_example(version))
    if submission.example is None:
        submission.texts = examples.first_texts(version)
    return _page(version, submission, result=example_result(version))


@bp.post("/models/<name>/predictions")
def predict(name: str) -> Response:
    """Run the model on what the form holds; nothing of it is kept."""
    caller = Caller(Surface.PLAYGROUND, client_network(), user=_viewer())
    version = _serving(catalog.find_model(name, viewer=caller.user))
    submission = typed_submission(version)
    try:
        with inference.metered(caller, request_id=request_id()) as call:
            call.version = version
            add_fields(model=name, version=version.number)
            with inference.admitted(call):
                inference.admit_to(call, version.model)
                refuse_body_over(caller.max_upload_mb)
                submission = read_submission(version)
                if submission.refusal:
                    raise submission.refusal
                prediction = inference.infer(
                    call, submission.inputs, submission.parameters
                )
            result = Result(
                {
                    "id": call.request_id,
                    "model": name,
                    "version": version.number,
                    "outputs": dict(prediction.outputs),
                    "timings_ms": dict(prediction.timings_ms),
                },
                picture=sent_picture(version, submission),
                file=sent_file(version, submission),
            )
    except PortalError as refusal:
        return _refused(version, submission, refusal)
    return _page(version, submission, result=result)


@bp.get("/models/<name>/examples/<int:number>/<input_name>")
def example(name: str, number: int, input_name: str) -> Response:
    """Give the file of an example."""
    version = catalog.find_model(name, viewer=_viewer()).live
    file = catalog.example_file(version, number, input_name, config())
    is_image = file.type in {"image/png", "image/jpeg", "image/webp"}
    response = send_file(
        file.path,
        mimetype=file.type if is_image else "application/octet-stream",
        as_attachment=not is_image,
        download_name=file.name,
        max_age=EXAMPLE_MAX_AGE_S if request.args.get("v") else None,
    )
    # Only the reader's own browser may keep it: the model may be private.
    response.cache_control.public = False
    response.cache_control.private = True
    response.headers["Content-Security-Policy"] = EXAMPLE_POLICY
    return response


def _plan_without(model: Model) -> str:
    """Return the name of the reader's plan if it does not include *model*."""
    viewer = _viewer()
    if viewer is None or not viewer.is_verified or viewer.plan.allows(model.name):
        return ""
    return viewer.plan.name


def _serving(model: Model) -> ModelVersion:
    """Return the version that is to answer; one that can't is refused by its run."""
    try:
        return inference.serving_version(model)
    except Unavailable:
        return model.live


def _viewer() -> User | None:
    return current_user._get_current_object() if current_user.is_authenticated else None  # noqa: SLF001 - werkzeug's way out of the proxy


def _example(version: ModelVersion) -> int | None:
    number = example_number()
    known = {one.number for one in catalog.examples_of(version)}
    return number if number in known else None


def _page(
    version: ModelVersion,
    submission: Submission,
    *,
    result: Result | None = None,
    refusal: PortalError | None = None,
) -> Response:
    description = version.description
    texts = dict(submission.texts)
    if submission.example is not None:
        texts = {**examples.example_texts(version, submission.example), **texts}
    return render(
        "playground/model.html",
        fragment="playground/_result.html",
        status=refusal.status if refusal else HTTPStatus.OK,
        model=version.model,
        version=version,
        description=description,
        is_online=is_online(version),
        answer_ms=catalog.answer_ms(version),
        providers=parts().pool.providers,
        card_html=card_html(version),
        chips=examples.example_chips(version),
        submission=submission,
        texts=texts,
        result=result,
        refusal=refusal,
        refusal_sentence=sentence(refusal) if refusal else None,
        is_limit=isinstance(refusal, LimitExceeded),
        plan_without=_plan_without(version.model),
        curl=curl_command(version, config().base_url),
    )


def _refused(
    version: ModelVersion, submission: Submission, refusal: PortalError
) -> Response:
    response = _page(version, submission, refusal=refusal)
    response.headers.update(refusal.headers)
    return response
