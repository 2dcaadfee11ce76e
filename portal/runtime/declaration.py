"""What a task takes and gives, declared once.

From these few classes come the form of the playground, the checks of what a
caller sends, the JSON Schema and the docs.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from portal.runtime.schemas import (
    INTEGER,
    OUTPUT_SCHEMAS,
    STRING,
    list_of,
    object_of,
)
from portal.runtime.signature import TensorSpec


class InputKind(StrEnum):
    """Kinds of input."""

    IMAGE = "image"
    FILE = "file"
    TEXT = "text"
    NUMBER = "number"
    TENSOR = "tensor"


class ParameterKind(StrEnum):
    """Kinds of parameter."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    CHOICE = "choice"


class OutputKind(StrEnum):
    """Kinds of output."""

    LABELS = "labels"
    BOXES = "boxes"
    LINES = "lines"
    POLYGONS = "polygons"
    MASK = "mask"
    TEXT = "text"
    VECTOR = "vector"
    TABLE = "table"
    FIELDS = "fields"
    TENSOR = "tensor"
    FILE = "file"


IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp")


@dataclass(frozen=True)
class Input:
    """One thing that a caller must send.

    Attributes:
        tensor: Name, dtype and shape, for a tensor.
    """

    name: str
    kind: InputKind
    title: str
    help: str = ""
    tensor: TensorSpec | None = None

    @property
    def is_upload(self) -> bool:
        """Whether bytes are sent: a picture or any file."""
        return self.kind in {InputKind.IMAGE, InputKind.FILE}

    @property
    def accept(self) -> str:
        """The ``accept`` attribute of a file field."""
        return ",".join(IMAGE_TYPES) if self.kind is InputKind.IMAGE else ""

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the value in a JSON body."""
        match self.kind:
            case InputKind.IMAGE:
                return {
                    "type": "string",
                    "contentEncoding": "base64",
                    "description": "PNG, JPEG or WebP: base64, or a data: URL",
                }
            case InputKind.FILE:
                return {
                    "type": "string",
                    "contentEncoding": "base64",
                    "description": "any file: base64, or a data: URL",
                }
            case InputKind.TEXT:
                return {"type": "string"}
            case InputKind.NUMBER:
                return {"type": "number"}
            case InputKind.TENSOR:
                return _tensor_schema(self.tensor)


PICTURE = Input(
    "image",
    InputKind.IMAGE,
    "Picture",
    help="PNG, JPEG or WebP, up to 40 megapixels",
)


@dataclass(frozen=True)
class Parameter:
    """One option that a caller may set.

    Attributes:
        minimum, maximum: Bounds of an int or float, both inclusive.
        choices: The values of a choice.
    """

    name: str
    kind: ParameterKind
    title: str
    default: bool | float | str
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the value in a JSON body."""
        types = {"bool": "boolean", "int": "integer", "float": "number"}
        schema: dict[str, Any] = {
            "type": types.get(self.kind, "string"),
            "default": self.default,
        }
        if self.minimum is not None:
            schema["minimum"] = self.minimum
        if self.maximum is not None:
            schema["maximum"] = self.maximum
        if self.choices:
            schema["enum"] = list(self.choices)
        return schema


@dataclass(frozen=True)
class Output:
    """One thing that an answer holds."""

    name: str
    kind: OutputKind
    title: str
    help: str = ""
    tensor: TensorSpec | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the value in the answer."""
        if self.kind is OutputKind.TENSOR:
            return object_of(
                shape=list_of(INTEGER),
                datatype=STRING,
                data=_tensor_schema(self.tensor),
            )
        return OUTPUT_SCHEMAS[self.kind]


@dataclass(frozen=True)
class Description:
    """Everything a caller needs to know about a version."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    parameters: tuple[Parameter, ...] = field(default=())


def _tensor_schema(tensor: TensorSpec | None) -> dict[str, Any]:
    """Return nested arrays with the sizes that are fixed."""
    if tensor is None:
        return {"type": "array"}
    kinds = {"f": "number", "i": "integer", "u": "integer", "b": "boolean"}
    schema: dict[str, Any] = {"type": kinds.get(tensor.dtype[0], "string")}
    for size in reversed(tensor.shape):
        schema = {"type": "array", "items": schema}
        if isinstance(size, int):
            schema.update(minItems=size, maxItems=size)
        else:
            schema["minItems"] = 1
    schema["description"] = f"{tensor.dtype} {tensor.shape_text}"
    return schema
