"""Runs a version once, for real, before it is published: in a child with limits.

One on another server runs there, so the child would spare this process nothing.
"""

import pickle
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from portal.errors import Invalid, PortalError, TimedOut, Unavailable
from portal.runtime.declaration import Description
from portal.runtime.failures import ModelFailed
from portal.runtime.loaded_model import LoadedModel, Prediction
from portal.runtime.made_up import made_up_inputs
from portal.runtime.remote.failures import RemoteBroke
from portal.runtime.sandbox import (
    MEMORY_LIMIT_BYTES,
    FileRefused,
    limit_resources,
    open_report,
    run_apart,
)
from portal.runtime.version_spec import VersionSpec


def try_out(
    spec: VersionSpec,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    *,
    name: str,
) -> Prediction:
    """Return the prediction of *spec* on values that fit its description.

    Args:
        spec: Its files may lie anywhere.
        inputs: As for `LoadedModel.predict`.
        parameters: Likewise.
        name: What sentences call the run.

    Raises:
        FileRefused: It failed, took too long or needed too much memory.
    """
    report = _run(spec, (dict(inputs), dict(parameters)), name=name)
    return Prediction(report["outputs"], report["timings_ms"])


def warm_up(spec: VersionSpec, description: Description, *, name: str) -> None:
    """Run *spec* once on made-up values, in the child.

    The model may refuse them: nobody knows whether they make sense to it.

    Raises:
        FileRefused: It can't be loaded, crashed, took too long or needed too much
            memory.
    """
    values = (
        made_up_inputs(description),
        {parameter.name: parameter.default for parameter in description.parameters},
    )
    _run(spec, values, name=name, is_made_up=True)


def reason(refusal: PortalError) -> str:
    """Return why a run was refused, for the owner of the version."""
    cause = refusal.__cause__
    if isinstance(refusal, ModelFailed):
        return f"{type(cause).__name__}: {cause}"
    # What hinders loading is for the owner, who is told just now.
    is_shown = isinstance(cause, PortalError) and isinstance(refusal, Unavailable)
    return str(cause if is_shown else refusal)


def try_out_remotely(
    spec: VersionSpec,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    *,
    name: str,
    token: str,
) -> Prediction:
    """Return the prediction of *spec*, as `try_out` does, of the server it lives on.

    Raises:
        FileRefused: There was none; the sentence says what the server said.
    """
    model = LoadedModel(spec, remote_token=token)
    try:
        prediction = model.predict(inputs, parameters)
    except (Invalid, TimedOut, Unavailable) as refusal:
        message = "%(name)s could not be run on %(url)s: %(why)s"
        why = getattr(refusal, "reason", str(refusal))
        url = spec.remote.url if spec.remote else ""
        raise FileRefused(message, name=name, url=url, why=why) from refusal
    # As the child's would come: nothing but what JSON has.
    outputs = orjson.loads(orjson.dumps(dict(prediction.outputs)))
    return Prediction(outputs, prediction.timings_ms)


def warm_up_remotely(
    spec: VersionSpec, description: Description, *, name: str, token: str
) -> None:
    """Run *spec* on made-up values, as `warm_up` does, on the server it lives on.

    Raises:
        FileRefused: There was no answer, or one that can't be used.
    """
    parameters = {one.name: one.default for one in description.parameters}
    values = made_up_inputs(description)
    try:
        try_out_remotely(spec, values, parameters, name=name, token=token)
    except FileRefused as refusal:
        if not isinstance(refusal.__cause__, Invalid | RemoteBroke | ModelFailed):
            raise


def _run(
    spec: VersionSpec,
    values: tuple[dict[str, Any], dict[str, Any]],
    *,
    name: str,
    is_made_up: bool = False,
) -> dict[str, Any]:
    # A pickle from this process to its own child: nothing strange is unpickled.
    order = pickle.dumps((spec, values, is_made_up))
    return run_apart("portal.runtime.trial", name=name, stdin=order)


def main() -> None:
    """Print the prediction that standard input asks for."""
    limit_resources()
    with open_report() as file:
        file.write(orjson.dumps(_report()))


def _report() -> dict[str, Any]:
    spec, values, is_made_up = pickle.load(sys.stdin.buffer)  # noqa: S301 - see above
    if spec.is_isolated:
        # This process is the version's own, with the memory that it will have.
        limit_resources(min(spec.memory_mb * 2**20, MEMORY_LIMIT_BYTES))
        spec = replace(spec, is_isolated=False)
    try:
        return _predict(spec, *values, is_made_up=is_made_up)
    except PortalError as refusal:
        return {"refusal": f"could not be run: {reason(refusal)}"}
    except MemoryError:
        return {"refusal": "could not be run: it needs too much memory."}


def _predict(
    spec: VersionSpec,
    inputs: dict[str, Any],
    parameters: dict[str, Any],
    *,
    is_made_up: bool,
) -> dict[str, Any]:
    model = LoadedModel(spec)
    try:
        prediction = model.predict(inputs, parameters)
    except (Invalid, ModelFailed):
        if not is_made_up:
            raise
        return {}
    if is_made_up:
        return {}
    return {"outputs": prediction.outputs, "timings_ms": prediction.timings_ms}


if __name__ == "__main__":
    main()
