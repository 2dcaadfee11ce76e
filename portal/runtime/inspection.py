"""Looks at a strange ONNX file, in a child process with limits."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.runtime.sandbox import limit_resources, open_report, run_apart
from portal.runtime.signature import DTYPES, Signature, TensorSpec

STANDARD_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
# Exporters note a few words; whole vocabularies are nothing to guess by.
MAX_NOTES, MAX_NOTE_CHARS = 100, 100_000


@dataclass(frozen=True)
class Inspection:
    """What is known of an ONNX file.

    Attributes:
        metadata: What the exporter noted (``metadata_props``), such as the names of
            the classes.
    """

    signature: Signature
    metadata: Mapping[str, str] = field(default_factory=dict)


def inspect(path: Path, *, name: str) -> Inspection:
    """Return what is known of the ONNX file at *path*; *name* is for sentences.

    Raises:
        FileRefused: onnxruntime can't load it, or the portal can't serve it.
    """
    report = run_apart("portal.runtime.inspection", str(path.resolve()), name=name)
    return Inspection(Signature.from_json(report["signature"]), report["metadata"])


def _look_at(path: Path) -> dict[str, Any]:
    """Return the inspection as JSON, or ``{"refusal": …}``; runs in the child."""
    import onnx  # noqa: PLC0415 - the serving process never needs it

    content = path.read_bytes()
    if not content:
        return {"refusal": "is empty."}
    try:
        model = onnx.load_from_string(content)
    except Exception:  # noqa: BLE001 - protobuf's errors have no common class
        return {"refusal": "is not an ONNX file, or only a part of one."}
    fault = _find_fault(model.graph)
    if fault:
        return {"refusal": fault}
    report = _load(content)
    # Many exporters name domains that no operator is of, so onnxruntime decides.
    strange = {node.domain for node in model.graph.node} - STANDARD_DOMAINS
    strange -= {function.domain for function in model.functions}
    if "refusal" in report and strange:
        return {
            "refusal": f"needs operators of the domain {min(strange)}, "
            "which onnxruntime does not know."
        }
    return report if "refusal" in report else report | {"metadata": _notes(model)}


def _notes(model: Any) -> dict[str, str]:  # noqa: ANN401 - protobuf's ModelProto
    notes = {
        note.key: note.value
        for note in model.metadata_props
        if len(note.key) + len(note.value) <= MAX_NOTE_CHARS
    }
    return dict(list(notes.items())[:MAX_NOTES])


def _find_fault(graph: Any) -> str:  # noqa: ANN401 - protobuf's GraphProto
    """Return what is wrong with a graph that onnxruntime might load, or nothing."""
    from onnx.external_data_helper import uses_external_data  # noqa: PLC0415

    if not graph.node:
        return "is not an ONNX file: it holds no graph."
    if any(uses_external_data(tensor) for tensor in graph.initializer):
        return (
            "keeps its weights in another file; save it with them inside "
            "(onnx.save_model(…, save_as_external_data=False))."
        )
    for tensor in graph.input:
        kind = tensor.type
        if kind.HasField("tensor_type") and not kind.tensor_type.HasField("shape"):
            return (
                f"has the input {tensor.name} without a shape; export it with one "
                "(its sizes may be names)."
            )
    return ""


def _load(content: bytes) -> dict[str, Any]:
    import onnxruntime as ort  # noqa: PLC0415 - see above

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # noqa: BLE001 - onnxruntime's own have no common class
        why = " ".join(str(error).split())[:300]
        return {"refusal": f"can't be loaded by onnxruntime: {why}"}
    for side, tensors in (
        ("input", session.get_inputs()),
        ("output", session.get_outputs()),
    ):
        for tensor in tensors:
            if tensor.type not in DTYPES:
                return {"refusal": _refuse_type(side, tensor.name, tensor.type)}
    signature = Signature(
        tuple(_spec(tensor) for tensor in session.get_inputs()),
        tuple(_spec(tensor) for tensor in session.get_outputs()),
    )
    return {"signature": signature.to_json()}


def _refuse_type(side: str, name: str, type_name: str) -> str:
    if type_name.startswith(("seq(", "map(")):
        advice = (
            "export it with plain tensors (with skl2onnx: options={'zipmap': False})"
        )
    else:
        advice = "convert it to a plain tensor of numbers, booleans or strings"
    return f"has the {side} {name} of the type {type_name}; {advice}."


def _spec(tensor: Any) -> TensorSpec:  # noqa: ANN401 - onnxruntime's NodeArg
    return TensorSpec(tensor.name, DTYPES[tensor.type], tuple(tensor.shape))


def main() -> None:
    """Print what is known of the file that the command line names."""
    limit_resources()
    with open_report() as report:
        report.write(json.dumps(_look_at(Path(sys.argv[1]))).encode())


if __name__ == "__main__":
    main()
