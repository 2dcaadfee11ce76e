"""Tiny models of the tasks, and a tokenizer, built in an instant."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.onnx_files import DTYPES, IR_VERSION, OPSET

FLOAT = TensorProto.FLOAT
WORDS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "good", "bad", "day", "night")
PICTURE = (1, 3, 64, 64)
# What a corner's map is hot for: red, green, blue and yellow.
CORNER_COLOURS = ((1, -1, -1), (-1, 1, -1), (-1, -1, 1), (1, 1, -1))


def says(
    value: "np.ndarray[Any, Any]",
    *,
    shape: Sequence[str | int] | None = None,
    picture: Sequence[str | int] = PICTURE,
    output: str = "output0",
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Return a model that says *value* of any picture, and declares *shape*."""
    dtype = DTYPES[str(value.dtype)]
    return _model(
        [
            helper.make_node(
                "Constant", [], [output], value=numpy_helper.from_array(value)
            )
        ],
        [_value("images", FLOAT, picture)],
        [_value(output, dtype, value.shape if shape is None else shape)],
        metadata=metadata,
    )


def colours(picture: Sequence[str | int] = PICTURE, output: str = "logits") -> bytes:
    """Return a model whose maps are the red, the green and the blue of the picture."""
    return _model(
        [helper.make_node("Identity", ["images"], [output])],
        [_value("images", FLOAT, picture)],
        [_value(output, FLOAT, picture)],
    )


def redness(picture: Sequence[str | int] = PICTURE) -> bytes:
    """Return a model of one map: how much more red than a half there is."""
    weights = np.array([[[[1]], [[0]], [[0]]]], np.float32)
    return _convolution(weights, np.array([-0.5], np.float32), picture, "logits")


def corners(picture: Sequence[str | int] = PICTURE) -> bytes:
    """Return a model of four maps, each hot where the picture has its colour."""
    weights = np.array(CORNER_COLOURS, np.float32)[:, :, None, None]
    bias = np.array([0, 0, 0, -1], np.float32)
    return _convolution(weights, bias, picture, "heatmap")


def language_model(
    table: "np.ndarray[Any, Any]",
    *,
    inputs: Sequence[str] = ("input_ids", "attention_mask", "token_type_ids"),
    shape: Sequence[str | int] = ("batch", "tokens"),
    dtype: int = TensorProto.INT64,
    output: str = "last_hidden_state",
) -> bytes:
    """Return a model that gives for each token its row of *table*."""
    return _model(
        [helper.make_node("Gather", ["table", "input_ids"], [output])],
        [_value(name, dtype, shape) for name in inputs],
        [_value(output, FLOAT, (*shape, table.shape[1]))],
        {"table": table},
    )


def text_classifier(table: "np.ndarray[Any, Any]") -> bytes:
    """Return a model whose scores are the sum of the tokens' rows of *table*."""
    return _model(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
            helper.make_node("ReduceSum", ["rows", "axis"], ["logits"], keepdims=0),
        ],
        [_value("input_ids", TensorProto.INT64, ("batch", "tokens"))],
        [_value("logits", FLOAT, ("batch", table.shape[1]))],
        {"table": table, "axis": np.array([1], np.int64)},
    )


def tokenizer() -> bytes:
    """Return a ``tokenizer.json`` of eight words that frames a text like BERT's."""
    made = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    # As many are saved: padded and cut to what they were trained with.
    made.enable_padding(length=128)
    made.enable_truncation(128)
    return made.to_str().encode()


def _convolution(
    weights: "np.ndarray[Any, Any]",
    bias: "np.ndarray[Any, Any]",
    picture: Sequence[str | int],
    output: str,
) -> bytes:
    return _model(
        [helper.make_node("Conv", ["images", "weights", "bias"], [output])],
        [_value("images", FLOAT, picture)],
        [_value(output, FLOAT, (picture[0], len(bias), *picture[2:]))],
        {"weights": weights, "bias": bias},
    )


def _model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: "Mapping[str, np.ndarray[Any, Any]] | None" = None,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    initializers = [
        numpy_helper.from_array(value, name) for name, value in (weights or {}).items()
    ]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    helper.set_model_props(model, dict(metadata or {}))
    return bytes(model.SerializeToString())


def _value(name: str, kind: int, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))
