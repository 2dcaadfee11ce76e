"""Limits before a prediction, exactly one record after it.

The record is written down before the answer leaves. What a 2xx uses of the month was
reserved before the work, so no answer is refused after it.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from portal import usage
from portal.catalog import Model, ModelVersion
from portal.db import db
from portal.extensions import parts
from portal.inference import housekeeping
from portal.inference.caller import Caller
from portal.inference.errors import ModelRateExceeded
from portal.limits import Allowance, Hit, RateExceeded, SlotsTaken
from portal.plans import ModelNotInPlan
from portal.runtime import Prediction
from portal.spool import SpoolUnwritable
from portal.web.errors import refusal_of

OK = 200


@dataclass
class Call:
    """One call on its way.

    Attributes:
        version: Set once it is known which version is asked for.
        prediction: Set once the model has answered.
        allowances: What is left of each rate, this call counted.
        hits: What this call was counted as; put back where nothing was done for it.
        unit: Of the caller's month; an answer uses it.
    """

    caller: Caller
    request_id: str
    started_at: float = field(default_factory=time.perf_counter)
    version: ModelVersion | None = None
    prediction: Prediction | None = None
    allowances: tuple[Allowance, ...] = ()
    hits: list[Hit] = field(default_factory=list)
    unit: usage.Unit | None = None


@contextmanager
def metered(caller: Caller, *, request_id: str) -> Iterator[Call]:
    """Record the call, whatever comes of it.

    Raises:
        SpoolUnwritable: It can't be recorded, so it may not be answered.
    """
    call = Call(caller, request_id)
    try:
        try:
            yield call
            _record(call, OK)
        except SpoolUnwritable:
            _put_back(call)
            raise
        except Exception as error:
            _put_back(call)
            # What a refused call left behind must not be committed.
            db.session.rollback()
            _record(call, int(refusal_of(error).status))
            raise
    finally:
        housekeeping.due()


@contextmanager
def admitted(call: Call) -> Iterator[None]:
    """Count the call against rate and quota, and hold a slot while it runs.

    Raises:
        RateExceeded, QuotaExhausted, SlotsTaken: A limit is reached.
        SpoolUnwritable: It can't be recorded, so it isn't begun.
    """
    caller, rates = call.caller, parts().rates
    try:
        hit = rates.hit(caller.rate, "predict", caller.limit_key)
    except RateExceeded as refusal:
        call.allowances = refusal.allowances
        raise
    call.hits.append(hit)
    call.allowances = hit.allowances
    if caller.plan is not None and caller.user_id is not None:
        call.unit = usage.take_unit(caller.user_id, caller.plan)
    try:
        with parts().slots.hold(caller.limit_key, caller.concurrency):
            yield
    except SlotsTaken:
        _forget_hits(call)
        raise


def admit_to(call: Call, model: Model) -> None:
    """Count the call against what holds for *model* alone.

    Its live version says how often each caller may call it, whichever version is
    asked for.

    Raises:
        ModelNotInPlan: The caller's plan names others.
        ModelRateExceeded: The caller has called it too often.
    """
    caller = call.caller
    if caller.plan is not None and not caller.plan.allows(model.name):
        raise ModelNotInPlan(model.name, caller.plan.name)
    rate = model.live.rate
    if not rate:
        return
    try:
        hit = parts().rates.hit(rate, "model", model.name, caller.limit_key)
    except RateExceeded as refusal:
        _forget_hits(call)
        call.allowances += _of_model(refusal.allowances)
        raise ModelRateExceeded(refusal, model.name) from None
    call.hits.append(hit)
    call.allowances += _of_model(hit.allowances)


def _of_model(allowances: Iterable[Allowance]) -> tuple[Allowance, ...]:
    return tuple(replace(one, policy=f"model-{one.policy}") for one in allowances)


def _forget_hits(call: Call) -> None:
    """Count *call* no more: nothing was done for it."""
    while call.hits:
        parts().rates.put_back(call.hits.pop())


def _put_back(call: Call) -> None:
    """Take the unit of *call* as not used."""
    if call.unit is not None:
        usage.put_back_unit(call.unit)
        call.unit = None


def _record(call: Call, status: int) -> None:
    usage.record(
        request_id=call.request_id,
        surface=call.caller.surface,
        status=status,
        latency_ms=round((time.perf_counter() - call.started_at) * 1000, 3),
        compute_ms=call.prediction.compute_ms if call.prediction else 0.0,
        unit_of=call.unit.note.month if call.unit else "",
        **_ids(call),
    )


def _ids(call: Call) -> dict[str, int | None]:
    caller, version = call.caller, call.version
    return {
        "user_id": caller.user_id,
        "api_key_id": caller.api_key_id,
        "model_id": version.model_id if version else None,
        "version": version.number if version else None,
    }
