"""Limits before a prediction, exactly one record after it.

The record is committed before the answer leaves; a 2xx and its unit of quota
are one transaction.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from portal import usage
from portal.catalog import ModelVersion
from portal.db import db
from portal.errors import PortalError
from portal.extensions import parts
from portal.inference.caller import Caller
from portal.limits import Allowance, RateExceeded
from portal.runtime import Prediction
from portal.web.errors import refusal_of

OK = 200


@dataclass
class Call:
    """One call on its way.

    Attributes:
        version: Set once it is known which version is asked for.
        prediction: Set once the model has answered.
        allowances: What is left of each rate, this call counted.
    """

    caller: Caller
    request_id: str
    started_at: float = field(default_factory=time.perf_counter)
    version: ModelVersion | None = None
    prediction: Prediction | None = None
    allowances: tuple[Allowance, ...] = ()


@contextmanager
def metered(caller: Caller, *, request_id: str) -> Iterator[Call]:
    """Record the call, whatever comes of it; commits.

    Raises:
        QuotaExhausted: The last unit of quota went to another call meanwhile.
    """
    call = Call(caller, request_id)
    try:
        yield call
    except Exception as error:
        _record(call, int(refusal_of(error).status))
        raise
    try:
        _record(call, OK)
    except PortalError as refusal:
        _record(call, int(refusal.status))
        raise


@contextmanager
def admitted(call: Call) -> Iterator[None]:
    """Count the call against rate and quota, and hold a slot while it runs.

    Raises:
        RateExceeded, QuotaExhausted, SlotsTaken: A limit is reached.
    """
    caller = call.caller
    try:
        call.allowances = parts().rates.hit(caller.rate, "predict", caller.limit_key)
    except RateExceeded as refusal:
        call.allowances = refusal.allowances
        raise
    if caller.has_plan and caller.user_id is not None:
        usage.check_quota(caller.user_id)
    with parts().slots.hold(caller.limit_key, caller.concurrency):
        yield


def _record(call: Call, status: int) -> None:
    # What a refused call left behind must not be committed with its record.
    ids = _ids(call)
    db.session.rollback()
    usage.record(
        request_id=call.request_id,
        surface=call.caller.surface,
        status=status,
        latency_ms=round((time.perf_counter() - call.started_at) * 1000, 3),
        compute_ms=call.prediction.compute_ms if call.prediction else 0.0,
        **ids,
    )
    db.session.commit()


def _ids(call: Call) -> dict[str, int | None]:
    caller, version = call.caller, call.version
    return {
        "user_id": caller.user_id,
        "api_key_id": caller.api_key_id,
        "model_id": version.model_id if version else None,
        "version": version.number if version else None,
    }
