"""Runs a version once, for real, before it is published: in a child with limits."""

import pickle
import sys
from collections.abc import Mapping
from typing import Any

import orjson

from portal.errors import PortalError
from portal.runtime.loaded_model import LoadedModel, Prediction, VersionSpec
from portal.runtime.sandbox import limit_resources, run_apart


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


def try_loading(spec: VersionSpec, *, name: str) -> None:
    """Load *spec* and let it go again, in the child.

    Raises:
        FileRefused: It failed, took too long or needed too much memory.
    """
    _run(spec, None, name=name)


def _run(
    spec: VersionSpec,
    values: tuple[dict[str, Any], dict[str, Any]] | None,
    *,
    name: str,
) -> dict[str, Any]:
    # A pickle from this process to its own child: nothing strange is unpickled.
    order = pickle.dumps((spec, values))
    return run_apart("portal.runtime.trial", name=name, stdin=order)


def main() -> None:
    """Print the prediction that standard input asks for."""
    limit_resources()
    spec, values = pickle.load(sys.stdin.buffer)  # noqa: S301 - see above
    report: dict[str, Any]
    try:
        model = LoadedModel(spec)
        report = {}
        if values is not None:
            prediction = model.predict(*values)
            report = {
                "outputs": prediction.outputs,
                "timings_ms": prediction.timings_ms,
            }
    except PortalError as refusal:
        # What hinders loading is for the owner, who is told just now.
        cause = refusal.__cause__
        why = cause if isinstance(cause, PortalError) else refusal
        report = {"refusal": f"could not be run: {why}"}
    except MemoryError:
        report = {"refusal": "could not be run: it needs too much memory."}
    sys.stdout.buffer.write(orjson.dumps(report))


if __name__ == "__main__":
    main()
