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
    # A pickle from this process to its own child: nothing strange is unpickled.
    order = pickle.dumps((spec, dict(inputs), dict(parameters)))
    report = run_apart("portal.runtime.trial", name=name, stdin=order)
    return Prediction(report["outputs"], report["timings_ms"])


def main() -> None:
    """Print the prediction that standard input asks for."""
    limit_resources()
    spec, inputs, parameters = pickle.load(sys.stdin.buffer)  # noqa: S301 - see above
    report: dict[str, Any]
    try:
        prediction = LoadedModel(spec).predict(inputs, parameters)
        report = {
            "outputs": prediction.outputs,
            "timings_ms": prediction.timings_ms,
        }
    except PortalError as refusal:
        report = {"refusal": f"could not be run: {refusal}"}
    except MemoryError:
        report = {"refusal": "could not be run: it needs too much memory."}
    sys.stdout.buffer.write(orjson.dumps(report))


if __name__ == "__main__":
    main()
