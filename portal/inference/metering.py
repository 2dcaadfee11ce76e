"""Limits before a prediction, exactly one record after it.

The record is written down before the answer leaves. What a 2xx uses of the month was
reserved before the work, so no answer is refused after it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from portal import usage
from portal.catalog import ModelVersion
from portal.db import db
from portal.extensions import parts
from portal.inference import housekeeping
from portal.inference.caller import Caller
from portal.limits import Allowance, RateExceeded, SlotsTaken
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
        unit: Of the caller's month; an answer uses it.
    """

    caller: Caller
    request_id: str
    started_at: float = field(default_factory=time.perf_counter)
    version: ModelVersion | None = None
    prediction: Prediction | None = None
    allowances: tuple[Allowance, ...] = ()
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
    call.allowances = hit.allowances
    if caller.plan is not None and caller.user_id is not None:
        call.unit = usage.take_unit(caller.user_id, caller.plan)
    try:
        with parts().slots.hold(caller.limit_key, caller.concurrency):
            yield
    except SlotsTaken:
        # Nothing was done for it.
        rates.put_back(hit)
        raise


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
