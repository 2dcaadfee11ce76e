"""Tiny ONNX files: good ones, and those that a stranger might send."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from portal.runtime import Signature, TensorSpec, VersionSpec

OPSET, ML_OPSET, IR_VERSION = 18, 3, 9
ENDLESS = 2**62
EXTERNAL_SIZE = 100  # onnxruntime looks for a smaller tensor in the model only
FLOAT = TensorProto.FLOAT
DTYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "float64": TensorProto.DOUBLE,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
    "str": TensorProto.STRING,
}
Nodes = Sequence[onnx.NodeProto]
Values = Sequence[onnx.ValueInfoProto]


def adder(amount: float = 1) -> bytes:
    """Return a model that adds *amount*: x [N, 2] → y [N, 2]."""
    return _model(
        [helper.make_node("Add", ["x", "amount"], ["y"])],
        [_value("x", FLOAT, ["N", 2])],
        [_value("y", FLOAT, ["N", 2])],
        initializers=[helper.make_tensor("amount", FLOAT, [1], [amount])],
    )


def product() -> bytes:
    """Return a model of two inputs, a [N] and b [M], which must agree."""
    return _model(
        [helper.make_node("Mul", ["a", "b"], ["y"])],
        [_value("a", FLOAT, ["N"]), _value("b", FLOAT, ["M"])],
        [_value("y", FLOAT, ["K"])],
    )


def echo(dtype: str, shape: Sequence[str | int] = ("N",), output: str = "y") -> bytes:
    """Return a model that gives x back as *output*."""
    return _model(
        [helper.make_node("Identity", ["x"], [output])],
        [_value("x", DTYPES[dtype], list(shape))],
        [_value(output, DTYPES[dtype], list(shape))],
    )


def many_types() -> bytes:
    """Return a model that gives back as many tensors as it takes, one per dtype.

    ``real`` [N, 2], ``half``, ``whole``, ``truth`` and ``words`` [M] become
    ``real_out`` and so on.
    """
    shapes: dict[str, tuple[str, list[str | int]]] = {
        "real": ("float32", ["N", 2]),
        "half": ("float16", ["M"]),
        "whole": ("int64", ["M"]),
        "truth": ("bool", ["M"]),
        "words": ("str", ["M"]),
    }
    return _model(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in shapes],
        [_value(name, DTYPES[dtype], shape) for name, (dtype, shape) in shapes.items()],
        [
            _value(f"{name}_out", DTYPES[dtype], shape)
            for name, (dtype, shape) in shapes.items()
        ],
    )


def fraction() -> bytes:
    """Return a model that divides one by x [N, 3]: nothing becomes infinity."""
    return _model(
        [helper.make_node("Div", ["one", "x"], ["y"])],
        [_value("x", FLOAT, ["N", 3])],
        [_value("y", FLOAT, ["N", 3])],
        initializers=[helper.make_tensor("one", FLOAT, [1], [1])],
    )


def mean_colour(
    shape: Sequence[str | int] = ("N", 3, "H", "W"),
    outputs: Sequence[str | int] = ("N", 3),
    *,
    axes: Sequence[int] = (2, 3),
) -> bytes:
    """Return a model of three scores: how red, green and blue a picture is."""
    mean = helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=0)
    return _model(
        [mean],
        [_value("x", FLOAT, list(shape))],
        [_value("y", FLOAT, list(outputs))],
        initializers=[
            helper.make_tensor("axes", TensorProto.INT64, [len(axes)], list(axes))
        ],
    )


def root() -> bytes:
    """Return a model that takes the square root of x [N]: -1 becomes NaN."""
    return _model(
        [helper.make_node("Sqrt", ["x"], ["y"])],
        [_value("x", FLOAT, ["N"])],
        [_value("y", FLOAT, ["N"])],
    )


def positive_rows() -> bytes:
    """Return a model that keeps the rows of x [N, 2] where keep [N] is true."""
    return _model(
        [helper.make_node("Compress", ["x", "keep"], ["y"], axis=0)],
        [_value("x", FLOAT, ["N", 2]), _value("keep", TensorProto.BOOL, ["N"])],
        [_value("y", FLOAT, ["M", 2])],
    )


def lookup() -> bytes:
    """Return a model that takes the elements i [N] of a list of three."""
    return _model(
        [helper.make_node("Gather", ["list", "i"], ["y"])],
        [_value("i", TensorProto.INT64, ["N"])],
        [_value("y", FLOAT, ["N"])],
        initializers=[helper.make_tensor("list", FLOAT, [3], [10, 20, 30])],
    )


def sequence_output() -> bytes:
    """Return a model whose output is a list of tensors."""
    return _model(
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        [_value("x", FLOAT, [1])],
        [helper.make_tensor_sequence_value_info("y", FLOAT, None)],
    )


def map_output() -> bytes:
    """Return a classifier as skl2onnx exports it: a map of label to score."""
    element = helper.make_map_type_proto(
        TensorProto.STRING, helper.make_tensor_type_proto(FLOAT, [])
    )
    output = helper.make_value_info("y", helper.make_sequence_type_proto(element))
    zip_map = helper.make_node(
        "ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["a", "b"]
    )
    return _model([zip_map], [_value("x", FLOAT, ["N", 2])], [output])


def external_weights(location: str = "weights.bin") -> bytes:
    """Return a model whose weights lie in another file."""
    return _model(
        [helper.make_node("Concat", ["x", "w"], ["y"], axis=0)],
        [_value("x", FLOAT, [1])],
        [_value("y", FLOAT, [1 + EXTERNAL_SIZE])],
        initializers=[_external("w", location)],
    )


def external_constant(location: str) -> bytes:
    """Return a model with a constant node whose value lies in another file."""
    return _model(
        [
            helper.make_node("Constant", [], ["w"], value=_external("w", location)),
            helper.make_node("Concat", ["x", "w"], ["y"], axis=0),
        ],
        [_value("x", FLOAT, [1])],
        [_value("y", FLOAT, [1 + EXTERNAL_SIZE])],
    )


def truncated() -> bytes:
    """Return the first half of a model."""
    content = adder()
    return content[: len(content) // 2]


def endless_loop() -> bytes:
    """Return a model that would run for ever, though it loads at once."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["sum", "one"], ["next"]),
        ],
        "body",
        [
            _value("i", TensorProto.INT64, []),
            _value("go", TensorProto.BOOL, []),
            _value("sum", FLOAT, [1]),
        ],
        [_value("go_on", TensorProto.BOOL, []), _value("next", FLOAT, [1])],
    )
    return _model(
        [helper.make_node("Loop", ["times", "true", "x"], ["y"], body=body)],
        [_value("x", FLOAT, [1])],
        [_value("y", FLOAT, [1])],
        initializers=[
            helper.make_tensor("times", TensorProto.INT64, [], [ENDLESS]),
            helper.make_tensor("true", TensorProto.BOOL, [], [True]),
            helper.make_tensor("one", FLOAT, [1], [1]),
        ],
    )


def counting_loop() -> bytes:
    """Return a model that adds one x [1] times, which takes as long as one likes."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["sum", "one"], ["next"]),
        ],
        "body",
        [
            _value("i", TensorProto.INT64, []),
            _value("go", TensorProto.BOOL, []),
            _value("sum", FLOAT, [1]),
        ],
        [_value("go_on", TensorProto.BOOL, []), _value("next", FLOAT, [1])],
    )
    return _model(
        [
            helper.make_node("Cast", ["x"], ["count"], to=TensorProto.INT64),
            helper.make_node("Squeeze", ["count"], ["times"]),
            helper.make_node("Loop", ["times", "true", "nought"], ["y"], body=body),
        ],
        [_value("x", FLOAT, [1])],
        [_value("y", FLOAT, [1])],
        initializers=[
            helper.make_tensor("true", TensorProto.BOOL, [], [True]),
            helper.make_tensor("one", FLOAT, [1], [1]),
            helper.make_tensor("nought", FLOAT, [1], [0]),
        ],
    )


def slow_adder(steps: int = 2000) -> bytes:
    """Return a model that adds one *steps* times: x [N, 2] → y [N, 2].

    A run takes as long with many rows as with one.
    """
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["sum", "one"], ["next"]),
        ],
        "body",
        [
            _value("i", TensorProto.INT64, []),
            _value("go", TensorProto.BOOL, []),
            _value("sum", FLOAT, ["N", 2]),
        ],
        [_value("go_on", TensorProto.BOOL, []), _value("next", FLOAT, ["N", 2])],
    )
    return _model(
        [helper.make_node("Loop", ["times", "true", "x"], ["y"], body=body)],
        [_value("x", FLOAT, ["N", 2])],
        [_value("y", FLOAT, ["N", 2])],
        initializers=[
            helper.make_tensor("times", TensorProto.INT64, [], [steps]),
            helper.make_tensor("true", TensorProto.BOOL, [], [True]),
            helper.make_tensor("one", FLOAT, [1], [1]),
        ],
    )


def centred() -> bytes:
    """Return a model whose rows depend on each other: x [N, 2] less its mean."""
    return _model(
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"]),
            helper.make_node("Sub", ["x", "mean"], ["y"]),
        ],
        [_value("x", FLOAT, ["N", 2])],
        [_value("y", FLOAT, ["N", 2])],
        initializers=[helper.make_tensor("axes", TensorProto.INT64, [1], [0])],
    )


def ones() -> bytes:
    """Return a model that gives x [2] rows and columns of ones, however many."""
    one = helper.make_tensor("one", FLOAT, [1], [1])
    return _model(
        [
            helper.make_node("Cast", ["x"], ["shape"], to=TensorProto.INT64),
            helper.make_node("ConstantOfShape", ["shape"], ["y"], value=one),
        ],
        [_value("x", FLOAT, [2])],
        [_value("y", FLOAT, ["A", "B"])],
    )


def liar() -> bytes:
    """Return a model that declares y [1, 3], and gives what is positive of x [N, 3]."""
    return _model(
        [
            helper.make_node("Greater", ["x", "nought"], ["is_positive"]),
            helper.make_node("Reshape", ["is_positive", "flat"], ["keep"]),
            helper.make_node("Compress", ["x", "keep"], ["kept"]),
            helper.make_node("Unsqueeze", ["kept", "first"], ["y"]),
        ],
        [_value("x", FLOAT, ["N", 3])],
        [_value("y", FLOAT, [1, 3])],
        initializers=[
            helper.make_tensor("nought", FLOAT, [1], [0]),
            helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
            helper.make_tensor("first", TensorProto.INT64, [1], [0]),
        ],
    )


def picky_lookup() -> bytes:
    """Return a model that takes the elements i [N] of a list, from 7 to 9."""
    return _model(
        [
            helper.make_node("Sub", ["i", "seven"], ["index"]),
            helper.make_node("Gather", ["list", "index"], ["y"]),
        ],
        [_value("i", TensorProto.INT64, ["N"])],
        [_value("y", FLOAT, ["N"])],
        initializers=[
            helper.make_tensor("seven", TensorProto.INT64, [1], [7]),
            helper.make_tensor("list", FLOAT, [3], [10, 20, 30]),
        ],
    )


def huge_constant(rows: int = 100_000, columns: int = 100_000) -> bytes:
    """Return a small file that asks for 40 GB when it is loaded or run."""
    return _model(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
            helper.make_node("Add", ["x", "huge"], ["y"]),
        ],
        [_value("x", FLOAT, [1])],
        [_value("y", FLOAT, ["A", "B"])],
        initializers=[
            helper.make_tensor("shape", TensorProto.INT64, [2], [rows, columns])
        ],
    )


def unknown_domain() -> bytes:
    """Return a model with an operator that nobody knows."""
    return _model(
        [helper.make_node("Frobnicate", ["x"], ["y"], domain="org.example")],
        [_value("x", FLOAT, [1])],
        [_value("y", FLOAT, [1])],
        domains=["org.example"],
    )


def idle_domain() -> bytes:
    """Return a model that names a domain, as exporters do, and uses none of it."""
    return _model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [_value("x", FLOAT, [1])],
        [_value("y", FLOAT, [1])],
        domains=["org.pytorch.aten", "com.microsoft.nchwc"],
    )


def own_function() -> bytes:
    """Return a model that brings its own operator, as PyTorch's exporter does."""
    double = helper.make_function(
        "pkg.example",
        "Double",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", OPSET)],
    )
    return _model(
        [helper.make_node("Double", ["x"], ["y"], domain="pkg.example")],
        [_value("x", FLOAT, [1])],
        [_value("y", FLOAT, [1])],
        domains=["pkg.example"],
        functions=[double],
    )


def unknown_rank() -> bytes:
    """Return a model that does not say how many axes its input has."""
    return _model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [_value("x", FLOAT, None)],
        [_value("y", FLOAT, None)],
    )


def odd_dtype() -> bytes:
    """Return a model of bfloat16, which numpy lacks."""
    return _model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [_value("x", TensorProto.BFLOAT16, [1])],
        [_value("y", TensorProto.BFLOAT16, [1])],
    )


def version(
    path: Path,
    content: bytes,
    *,
    digest: str = "d1",
    model_name: str = "a-model",
    labels: tuple[str, ...] = (),
    task: str = "tensor",
    options: Mapping[str, Any] | None = None,
    timeout_s: float = 30,
    **limits: Any,
) -> VersionSpec:
    """Write *content* to *path*; return the version of *task* with it."""
    path.write_bytes(content)
    return VersionSpec(
        digest=digest,
        model_name=model_name,
        task=task,
        files={"model": path},
        signatures={"model": signature_of(content)},
        labels=labels,
        options=options or {},
        timeout_s=timeout_s,
        **limits,
    )


def signature_of(content: bytes) -> Signature:
    """Return the signature of a good model, without onnxruntime."""
    graph = onnx.load_from_string(content).graph
    return Signature(
        tuple(_spec(value) for value in graph.input),
        tuple(_spec(value) for value in graph.output),
    )


def _model(
    nodes: Nodes,
    inputs: Values,
    outputs: Values,
    *,
    initializers: Sequence[onnx.TensorProto] = (),
    domains: Sequence[str] = (),
    functions: Sequence[onnx.FunctionProto] = (),
) -> bytes:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, list(initializers))
    opsets = [
        helper.make_opsetid("", OPSET),
        helper.make_opsetid("ai.onnx.ml", ML_OPSET),
        *(helper.make_opsetid(domain, 1) for domain in domains),
    ]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, functions=functions
    )
    return model.SerializeToString()


def _value(
    name: str, kind: int, shape: Sequence[str | int] | None
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _external(name: str, location: str) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name=name, data_type=FLOAT, dims=[EXTERNAL_SIZE])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    kind = value.type.tensor_type
    names = {number: name for name, number in DTYPES.items()}
    shape = tuple(d.dim_param or d.dim_value for d in kind.shape.dim)
    return TensorSpec(value.name, names[kind.elem_type], shape)
