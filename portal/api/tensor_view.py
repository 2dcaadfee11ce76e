"""How a version looks to a client of the Open Inference Protocol: as tensors.

A version of the task `tensor` shows its graph's own. Every other one takes a
picture, a file or a text as one element of BYTES and a number as one of FP64; what
it gives is, unless it is a tensor or a vector, one element of BYTES with the JSON
of the native API.
"""

import math
from typing import Any

from portal import runtime
from portal.catalog import ModelVersion
from portal.runtime import (
    Batch,
    Description,
    Input,
    InputKind,
    LoadedModel,
    Output,
    OutputKind,
    TensorSpec,
)

PLATFORM = "onnx_onnxv1"
NS_PER_MS = 1_000_000
# Our steps of a run by the protocol's names.
STEPS = {
    "queue": "queue",
    "compute_input": "preprocess",
    "compute_infer": "inference",
    "compute_output": "postprocess",
}


def input_spec(declared: Input) -> TensorSpec:
    """Return the tensor that stands for an input."""
    if declared.tensor is not None:
        return declared.tensor
    dtype = "float64" if declared.kind is InputKind.NUMBER else "str"
    return TensorSpec(declared.name, dtype, (1,))


def output_spec(declared: Output) -> TensorSpec:
    """Return the tensor that stands for an output."""
    if declared.tensor is not None:
        return declared.tensor
    if declared.kind is OutputKind.VECTOR:
        return TensorSpec(declared.name, "float32", (None,))
    return TensorSpec(declared.name, "str", (1,))


def outputs_of(task: str, description: Description) -> list[Output]:
    """Return the outputs that are shown of a version of *task*.

    The labels of a `tensor` version are none of its graph; the classification
    extension gives them.
    """
    if task != runtime.TENSOR:
        return list(description.outputs)
    return [one for one in description.outputs if one.kind is OutputKind.TENSOR]


def metadata(version: ModelVersion) -> dict[str, Any]:
    """Return what a client asks for before it calls."""
    description = version.description
    outputs = outputs_of(version.task, description)
    return {
        "name": version.model.name,
        "versions": [str(one.number) for one in version.model.versions],
        "platform": _platform(version),
        "inputs": [_tensor(input_spec(one)) for one in description.inputs],
        "outputs": [_tensor(output_spec(one)) for one in outputs],
    }


def configuration(version: ModelVersion) -> dict[str, Any]:
    """Return the same in the form of Triton's `ModelConfig`."""
    description = version.description
    outputs = outputs_of(version.task, description)
    return {
        "name": version.model.name,
        "platform": _platform(version),
        "backend": "" if version.remote else "onnxruntime",
        "version_policy": {"specific": {"versions": [version.number]}},
        "max_batch_size": 0,
        "input": [_configured(input_spec(one)) for one in description.inputs],
        "output": [_configured(output_spec(one)) for one in outputs],
    }


def statistics(version: ModelVersion, loaded: LoadedModel | None) -> dict[str, Any]:
    """Return what this process has measured of *version*."""
    row: dict[str, Any] = {
        "name": version.model.name,
        "version": str(version.number),
        "last_inference": 0,
        "inference_count": 0,
        "execution_count": 0,
        "inference_stats": {
            name: _duration(0, 0)
            for name in ("success", "fail", *STEPS, "cache_hit", "cache_miss")
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }
    return row if loaded is None else {**row, **_measured(row, loaded)}


def _platform(version: ModelVersion) -> str:
    """Return what runs *version*: for one on another server, in the word of that."""
    return version.platform if version.remote else PLATFORM


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": _sizes(spec)}


def _configured(spec: TensorSpec) -> dict[str, Any]:
    datatype = "STRING" if spec.datatype == "BYTES" else spec.datatype
    return {"name": spec.name, "data_type": f"TYPE_{datatype}", "dims": _sizes(spec)}


def _sizes(spec: TensorSpec) -> list[int]:
    return [size if isinstance(size, int) else -1 for size in spec.shape]


def _measured(row: dict[str, Any], loaded: LoadedModel) -> dict[str, Any]:
    measured = loaded.statistics.read()
    count, total = measured.successes, measured.durations["total"]
    steps = {
        name: _duration(count, measured.durations[step].sum_ms)
        for name, step in STEPS.items()
    }
    return {
        "last_inference": math.floor((measured.last_run_at or 0) * 1000),
        "inference_count": count,
        "execution_count": measured.runs,
        "inference_stats": {
            **row["inference_stats"],
            **steps,
            "success": _duration(count, total.sum_ms),
            "fail": _duration(measured.failures, measured.failed_ms),
        },
        "batch_stats": [
            _batch(size, batch) for size, batch in sorted(measured.batches.items())
        ],
        "memory_usage": [{"type": "CPU", "id": 0, "byte_size": loaded.memory_bytes}],
    }


def _batch(size: int, batch: Batch) -> dict[str, Any]:
    """Return what the runs took that *size* calls shared."""
    runs = round(batch.calls / size)
    return {
        "batch_size": size,
        **{
            name: _duration(runs, batch.steps_ms[step])
            for name, step in STEPS.items()
            if name != "queue"
        },
    }


def _duration(count: int, total_ms: float) -> dict[str, int]:
    return {"count": count, "ns": round(total_ms * NS_PER_MS)}
