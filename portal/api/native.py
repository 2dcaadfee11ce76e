"""`/api/v1`: the native JSON API."""

from http import HTTPStatus
from typing import Any

import orjson
from flask import Blueprint, Response, g

from portal import inference, keys, plans, usage
from portal.api import headers
from portal.api.auth import (
    authenticate,
    authenticate_if_given,
    presented_secret,
    require_scope,
)
from portal.api.calls import asked_version, find_model, list_models
from portal.api.leaks import take_report
from portal.api.schemas import read_prediction_request
from portal.api.usage_report import usage_report
from portal.catalog import Model
from portal.db import db
from portal.inference import Call, Caller
from portal.keys import Scope
from portal.plans import Plan
from portal.runtime import Input, Output, Parameter
from portal.web import request_id

bp = Blueprint("api", __name__, url_prefix="/api/v1")


@bp.get("/me")
def me() -> Response:
    """Say who the key belongs to and what is left."""
    caller = authenticate()
    if caller.user is None or caller.plan is None or caller.api_key is None:
        raise TypeError
    quota = usage.quota(caller.user.id, caller.plan)
    api_key = caller.api_key
    is_previous = keys.is_previous(api_key, presented_secret())
    return _json(
        {
            "user": {"email": caller.user.email, "role": caller.user.role},
            "key": {
                "prefix": api_key.previous_prefix if is_previous else api_key.prefix,
                "name": api_key.name,
                "scopes": api_key.scopes,
                "expires_at": api_key.previous_ends_at
                if is_previous
                else api_key.expires_at,
                "models": api_key.models,
                "addresses": api_key.addresses,
                "origins": api_key.origins,
            },
            "plan": caller.plan.name,
            "limits": [
                {
                    "policy": allowance.policy,
                    "limit": allowance.limit,
                    "window_s": allowance.window_s,
                    "left": allowance.left,
                    "reset_s": allowance.reset_s,
                }
                for allowance in inference.allowances_left(caller)
            ],
            "quota": {
                "limit": quota.limit,
                "used": quota.used,
                "left": quota.left,
                "resets_at": quota.resets_at,
            },
            "compute": {
                "limit_s": quota.compute_limit_s,
                "used_s": quota.compute_used_s,
                "left_s": quota.compute_left_s,
                "resets_at": quota.resets_at,
            },
        }
    )


@bp.get("/usage")
def usage_sums() -> Response:
    """Say what the key's user has used."""
    caller = authenticate()
    require_scope(caller, Scope.USAGE_READ)
    if caller.user is None:
        raise TypeError
    return _json(usage_report(caller.user))


@bp.get("/models")
def models() -> Response:
    """List the models that the caller may see."""
    caller = authenticate_if_given()
    plan = _plan_of(caller)
    return _json({"models": [_model(one, plan) for one in list_models(caller)]})


@bp.get("/models/<name>")
def model(name: str) -> Response:
    """Describe a model: what it takes and what it gives."""
    caller = authenticate_if_given()
    return _json(_model(find_model(name, caller), _plan_of(caller)))


@bp.post("/models/<name>/predict")
@bp.post("/models/<name>/versions/<int:number>/predict")
def predict(name: str, number: int | None = None) -> Response:
    """Answer one prediction."""
    caller = authenticate()
    with inference.metered(caller, request_id=request_id()) as call:
        g.call = call
        return _predict(call, name, number)


def _predict(call: Call, name: str, number: int | None) -> Response:
    # The limits come first: a call for a model that isn't there costs a record, too.
    with inference.admitted(call):
        version = asked_version(call, name, number)
        answer: dict[str, Any] = {
            "id": call.request_id,
            "model": version.model.name,
            "version": version.number,
        }
        inputs, parameters = read_prediction_request(version.description)
        prediction = inference.infer(call, inputs, parameters)
    return _json(
        {
            **answer,
            "outputs": prediction.outputs,
            "timings_ms": prediction.timings_ms,
        }
    )


@bp.post("/leaks")
def report_leak() -> Response:
    """End a key that was seen in public."""
    answer = _json(take_report())
    db.session.commit()
    answer.status_code = HTTPStatus.ACCEPTED
    return answer


@bp.after_request
def add_limits(response: Response) -> Response:
    """Write the limits onto every answer to a keyed call."""
    caller: Caller | None = g.get("caller")
    call: Call | None = g.get("call")
    if call and call.allowances:
        headers.add_limits(response, call.allowances)
    elif caller:
        headers.add_limits(response, inference.allowances_left(caller))
    return response


def _plan_of(caller: Caller | None) -> Plan:
    """Return the plan of *caller*; a visitor is shown what an account would give."""
    return caller.plan if caller and caller.plan else plans.default()


def _model(found: Model, plan: Plan) -> dict[str, Any]:
    version = found.live
    description = version.description
    return {
        "name": found.name,
        "title": version.title,
        "summary": version.summary,
        "task": version.task,
        "licence": version.licence,
        "visibility": found.visibility,
        "versions": [v.number for v in found.versions],
        "live_version": version.number,
        "inputs": [_declared(one) for one in description.inputs],
        "parameters": [_declared(one) for one in description.parameters],
        "outputs": [_declared(one) for one in description.outputs],
        "limits": {
            "rate": plan.rate,
            "model_rate": found.live.rate or None,
            "concurrency": plan.concurrency,
        },
    }


def _declared(one: Input | Parameter | Output) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": str(one.kind),
        "title": one.title,
        "help": one.help,
        "schema": one.schema,
    }


def _json(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), content_type="application/json")
