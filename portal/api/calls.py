"""Which version a metered call asks for, and whether it may."""

from portal import catalog, inference
from portal.api.auth import require_scope
from portal.catalog import ModelVersion
from portal.inference import Call
from portal.keys import Scope
from portal.web.body import refuse_body_over
from portal.web.request_log import add_fields


def asked_version(call: Call, name: str, number: int | None) -> ModelVersion:
    """Return the version that answers *call*, and note it in its record.

    Raises:
        ScopeMissing: The key may not predict.
        ModelNotFound: No such model or version, or none for this caller.
        ModelNotInPlan, RateExceeded: The caller may not call it, or not so often.
        TooLarge: The caller's plan takes no such body.
        Unavailable: It can't be loaded, or is busy.
    """
    require_scope(call.caller, Scope.PREDICT)
    found = catalog.find_model(name, viewer=call.caller.user)
    call.version = version = catalog.find_version(found, number)
    inference.admit_to(call, found)
    refuse_body_over(call.caller.max_upload_mb)
    if number is None:
        call.version = version = inference.serving_version(found)
    add_fields(model=found.name, version=version.number)
    inference.refuse_if_busy(version)
    return version
