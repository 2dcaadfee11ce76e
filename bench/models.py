"""The three models that are measured, and what is sent to them.

Every peer is sent the same JSON document, the one that the portal takes; its tensor
is as long as a caller's would be. The recognition model takes the bytes of a
picture and answers the chosen letters, since its scores (a million numbers) would
measure nothing but JSON.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.compose
import orjson
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 18, 9
SEED = 5
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class BenchModel:
    """A model, and the one input that is sent to it again and again.

    Attributes:
        name: Its name in addresses and tables.
        what: What it is, in a few words.
        shape: Of its one input, x.
        dtype: float32 or uint8.
    """

    name: str
    what: str
    shape: tuple[int, ...]
    dtype: str
    build: Callable[[], onnx.ModelProto]

    def example(self) -> Array:
        """Return the input: always the same numbers."""
        draw = np.random.default_rng(SEED)
        if self.dtype == "uint8":
            return draw.integers(0, 256, self.shape, dtype=np.uint8)
        return draw.normal(size=self.shape).round(3).astype(np.float32)

    def body(self) -> bytes:
        """Return the JSON document that is sent."""
        # Three decimals, not the seventeen of the nearest double.
        values = self.example()
        if self.dtype != "uint8":
            values = values.astype(np.float64).round(3)
        return orjson.dumps({"inputs": {"x": values.tolist()}})

    def save(self, folder: Path) -> Path:
        """Write the model into *folder* and return its file."""
        path = folder / f"{self.name}.onnx"
        model = self.build()
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())
        return path


def tiny() -> onnx.ModelProto:
    """Return a perceptron of 4 → 16 → 3."""
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h1"]),
        helper.make_node("Relu", ["h1"], ["h2"]),
        helper.make_node("Gemm", ["h2", "w2", "b2"], ["h3"]),
        helper.make_node("Softmax", ["h3"], ["y"]),
    ]
    weights = _weights(w1=(4, 16), b1=(16,), w2=(16, 3), b2=(3,))
    return _model(nodes, weights, TensorProto.FLOAT, ["N", 4], TensorProto.FLOAT)


def small() -> onnx.ModelProto:
    """Return a convnet over 32 x 32 pixels, a few milliseconds of one core."""
    width, depth, classes = 64, 8, 10
    nodes, shapes, last = [], {}, "x"
    for layer in range(depth):
        name = f"w{layer}"
        shapes[name] = (width, width if layer else 3, 3, 3)
        nodes += [
            helper.make_node("Conv", [last, name], [f"c{layer}"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]),
        ]
        last = f"r{layer}"
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"]),
    ]
    weights = _weights(**shapes, head=(width, classes))
    image = [1, 3, 32, 32]
    return _model(nodes, weights, TensorProto.FLOAT, image, TensorProto.FLOAT)


def real() -> onnx.ModelProto:
    """Return PP-OCR's recognition, from a picture's bytes to the letters' numbers."""
    model = onnx.compose.add_prefix(onnx.load(_recognition_file()), "inner/")
    graph = model.graph
    pixels, scores = graph.input[0].name, graph.output[0].name
    before = [
        helper.make_node("Cast", ["x"], ["x_float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["x_float", "half"], ["x_scaled"]),
        helper.make_node("Sub", ["x_scaled", "one"], [pixels]),
    ]
    after = helper.make_node("ArgMax", [scores], ["y"], axis=2, keepdims=0)
    nodes = [*before, *graph.node, after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        helper.make_tensor(name, TensorProto.FLOAT, [1], [value])
        for name, value in (("half", 127.5), ("one", 1.0))
    )
    graph.input.append(_value("x", TensorProto.UINT8, [1, 3, 48, 320]))
    graph.output.append(_value("y", TensorProto.INT64, [1, "letters"]))
    return model


MODELS = (
    BenchModel("tiny", "perceptron 4 → 16 → 3", (1, 4), "float32", tiny),
    BenchModel("small", "8 convolutions, 32 x 32", (1, 3, 32, 32), "float32", small),
    BenchModel("real", "PP-OCR recognition", (1, 3, 48, 320), "uint8", real),
)


def _recognition_file() -> Path:
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        message = "the wheel rapidocr, which carries the model, is not installed"
        raise FileNotFoundError(message)
    (path,) = (Path(spec.origin).parent / "models").glob("*_rec_*.onnx")
    return path


def _weights(**shapes: tuple[int, ...]) -> list[onnx.TensorProto]:
    draw = np.random.default_rng(SEED)
    weights = []
    for name, shape in shapes.items():
        scale = (2 / np.prod(shape[1:])) ** 0.5
        drawn = draw.normal(0, scale, shape).astype(np.float32)
        weights.append(numpy_helper.from_array(drawn, name))
    return weights


def _model(
    nodes: Sequence[onnx.NodeProto],
    weights: Sequence[onnx.TensorProto],
    taken: int,
    shape: Sequence[str | int],
    given: int,
) -> onnx.ModelProto:
    inputs = [_value("x", taken, shape)]
    outputs = [_value("y", given, None)]
    graph = helper.make_graph(list(nodes), "bench", inputs, outputs, list(weights))
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    return onnx.shape_inference.infer_shapes(model)


def _value(
    name: str, kind: int, shape: Sequence[str | int] | None
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)
