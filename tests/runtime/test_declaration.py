"""The JSON Schema of everything that a model takes and gives."""

import pytest

from portal.runtime import (
    Input,
    InputKind,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
    TensorSpec,
)
from portal.runtime.declaration import Description


def tensor(dtype, *shape):
    return TensorSpec("t", dtype, shape)


def list_of(items, **sizes):
    return {"type": "array", "items": items, **sizes}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (InputKind.TEXT, {"type": "string"}),
        (InputKind.NUMBER, {"type": "number"}),
        (
            InputKind.IMAGE,
            {
                "type": "string",
                "contentEncoding": "base64",
                "description": "PNG, JPEG or WebP: base64, or a data: URL",
            },
        ),
        (
            InputKind.FILE,
            {
                "type": "string",
                "contentEncoding": "base64",
                "description": "any file: base64, or a data: URL",
            },
        ),
    ],
)
def test_an_input_says_what_is_sent_in_json(kind, schema):
    assert Input("x", kind, "X").schema == schema


@pytest.mark.parametrize(
    ("spec", "schema"),
    [
        (
            tensor("float32", "N", 4),
            {
                **list_of(
                    list_of({"type": "number"}, minItems=4, maxItems=4), minItems=1
                ),
                "description": "float32 [N, 4]",
            },
        ),
        (
            tensor("int64", 2),
            {
                **list_of({"type": "integer"}, minItems=2, maxItems=2),
                "description": "int64 [2]",
            },
        ),
        (
            tensor("uint8", None),
            {
                **list_of({"type": "integer"}, minItems=1),
                "description": "uint8 [any]",
            },
        ),
        (
            tensor("bool", "N"),
            {**list_of({"type": "boolean"}, minItems=1), "description": "bool [N]"},
        ),
        (
            tensor("str", "N"),
            {**list_of({"type": "string"}, minItems=1), "description": "str [N]"},
        ),
        (tensor("float32"), {"type": "number", "description": "float32 []"}),
    ],
    ids=str,
)
def test_a_tensor_is_nested_lists_of_the_sizes_that_are_fixed(spec, schema):
    declared = Input("t", InputKind.TENSOR, "T", tensor=spec)

    assert declared.schema == schema


@pytest.mark.parametrize(
    ("parameter", "schema"),
    [
        (
            Parameter("p", ParameterKind.BOOL, "P", default=False),
            {"type": "boolean", "default": False},
        ),
        (
            Parameter("p", ParameterKind.INT, "P", default=5, minimum=1, maximum=50),
            {"type": "integer", "default": 5, "minimum": 1, "maximum": 50},
        ),
        (
            Parameter("p", ParameterKind.FLOAT, "P", default=0.5, minimum=0),
            {"type": "number", "default": 0.5, "minimum": 0},
        ),
        (
            Parameter("p", ParameterKind.CHOICE, "P", "a", choices=("a", "b")),
            {"type": "string", "default": "a", "enum": ["a", "b"]},
        ),
    ],
)
def test_a_parameter_says_its_type_default_and_bounds(parameter, schema):
    assert parameter.schema == schema


def test_labels_are_a_list_of_label_and_score():
    schema = Output("labels", OutputKind.LABELS, "Labels").schema

    assert schema["items"]["required"] == ["label", "score"]
    assert schema["items"]["properties"]["label"] == {"type": "string"}
    assert schema["items"]["properties"]["score"] == {"type": "number"}


def test_lines_are_a_list_of_text_score_and_polygon():
    schema = Output("lines", OutputKind.LINES, "Lines").schema

    assert schema["type"] == "array"
    assert schema["items"]["required"] == ["text", "score", "polygon"]
    assert schema["items"]["properties"]["polygon"]["items"]["maxItems"] == 2


@pytest.mark.parametrize(
    ("kind", "required"),
    [
        (OutputKind.BOXES, ["label", "score", "box"]),
        (OutputKind.POLYGONS, ["label", "score", "points"]),
    ],
)
def test_shapes_are_a_list_of_label_score_and_places(kind, required):
    schema = Output("found", kind, "Found").schema

    assert schema["type"] == "array"
    assert schema["items"]["required"] == required


def test_every_kind_of_output_has_a_schema():
    for kind in OutputKind:
        assert Output("x", kind, "X").schema["type"]


def test_a_tensor_that_comes_out_has_shape_datatype_and_data():
    spec = tensor("float32", "N", 3)

    schema = Output("t", OutputKind.TENSOR, "T", tensor=spec).schema

    assert schema["required"] == ["shape", "datatype", "data"]
    assert schema["properties"]["data"]["description"] == "float32 [N, 3]"


@pytest.mark.parametrize(
    ("kind", "is_upload", "accept"),
    [
        (InputKind.IMAGE, True, "image/png,image/jpeg,image/webp"),
        (InputKind.FILE, True, ""),
        (InputKind.TEXT, False, ""),
        (InputKind.NUMBER, False, ""),
        (InputKind.TENSOR, False, ""),
    ],
)
def test_pictures_and_files_are_uploaded(kind, is_upload, accept):
    declared = Input("x", kind, "X")

    assert declared.is_upload is is_upload
    assert declared.accept == accept


def test_a_description_may_have_no_parameters():
    description = Description(inputs=(), outputs=())

    assert description.parameters == ()
