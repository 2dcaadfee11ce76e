"""Which models a caller may see, and which version a metered call asks for."""

from collections.abc import Sequence

from portal import catalog, inference, keys
from portal.api.auth import require_scope
from portal.catalog import Model, ModelVersion
from portal.inference import Call, Caller
from portal.keys import Scope
from portal.web.body import refuse_body_over
from portal.web.request_log import add_fields


def list_models(caller: Caller | None) -> Sequence[Model]:
    """Return the models that *caller*, or a visitor, may see.

    A key that is restricted to models lists those.
    """
    found = catalog.list_visible(caller.user if caller else None)
    allowed = caller.api_key.models if caller and caller.api_key else ()
    return [one for one in found if not allowed or one.name in allowed]


def find_model(name: str, caller: Caller | None) -> Model:
    """Return a model that *caller*, or a visitor, may see.

    Raises:
        ModelNotAllowed: The key is for others, whether or not there is this one.
        ModelNotFound: There is none, or none for this caller.
    """
    if caller is not None and caller.api_key is not None:
        keys.check_model(caller.api_key.restrictions, name)
    return catalog.find_model(name, viewer=caller.user if caller else None)


def asked_version(call: Call, name: str, number: int | None) -> ModelVersion:
    """Return the version that answers *call*, and note it in its record.

    Raises:
        ScopeMissing: The key may not predict.
        ModelNotAllowed: The key is for other models.
        ModelNotFound: No such model or version, or none for this caller.
        ModelNotInPlan, RateExceeded: The caller may not call it, or not so often.
        TooLarge: The caller's plan takes no such body.
        Unavailable: It can't be loaded, or is busy.
    """
    require_scope(call.caller, Scope.PREDICT)
    found = find_model(name, call.caller)
    call.version = version = catalog.find_version(found, number)
    inference.admit_to(call, found)
    refuse_body_over(call.caller.max_upload_mb)
    if number is None:
        call.version = version = inference.serving_version(found)
    add_fields(model=found.name, version=version.number)
    inference.refuse_if_busy(version)
    return version
