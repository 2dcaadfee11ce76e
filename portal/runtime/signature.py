"""Names, dtypes and shapes of a model's tensors; checking arrays against them."""

from dataclasses import dataclass
from typing import Any, Self

from portal.errors import Invalid

# onnxruntime's name → numpy's
DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
    "tensor(string)": "str",
}
# numpy's name → the Open Inference Protocol's
DATATYPES = {
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "bool": "BOOL",
    "str": "BYTES",
}
Dimension = int | str | None


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a graph.

    Attributes:
        name: As in the graph.
        dtype: numpy's name; ``str`` for text.
        shape: Sizes; a name or None where any size will do.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...]

    @property
    def datatype(self) -> str:
        """The Open Inference Protocol's name of the dtype."""
        return DATATYPES[self.dtype]

    @property
    def shape_text(self) -> str:
        """The shape as people read it, such as ``[N, 4]``."""
        return f"[{', '.join(str(size or 'any') for size in self.shape)}]"

    def check(self, shape: tuple[int, ...], pointer: str) -> None:
        """Refuse an array of another *shape*.

        Raises:
            Invalid: The shape that came and the one that is needed.
        """
        fits = len(shape) == len(self.shape) and all(
            not isinstance(wanted, int) or wanted == came
            for wanted, came in zip(self.shape, shape, strict=True)
        )
        if not fits:
            message = "%(name)s must have the shape %(wanted)s; what came has %(came)s."
            raise Invalid(
                message,
                pointer,
                name=self.name,
                wanted=self.shape_text,
                came=str(list(shape)),
            )

    def to_json(self) -> dict[str, Any]:
        """Return the spec for the database."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Return the spec that `to_json` wrote."""
        return cls(document["name"], document["dtype"], tuple(document["shape"]))


@dataclass(frozen=True)
class Signature:
    """The input and output tensors of one graph."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the signature for the database."""
        return {
            "inputs": [spec.to_json() for spec in self.inputs],
            "outputs": [spec.to_json() for spec in self.outputs],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Return the signature that `to_json` wrote."""
        return cls(
            tuple(TensorSpec.from_json(spec) for spec in document["inputs"]),
            tuple(TensorSpec.from_json(spec) for spec in document["outputs"]),
        )


def fits(size: Dimension, wanted: int) -> bool:
    """Whether an axis of *size*, which may be open, takes *wanted*."""
    return not isinstance(size, int) or size == wanted
