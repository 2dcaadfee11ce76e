"""How what callers send becomes what tasks take: strictly, with a sentence."""

import base64
import random

import numpy as np
import orjson
import pytest

from portal.errors import Invalid, Malformed, PortalError, UnsupportedType
from portal.runtime import Input, InputKind, Parameter, ParameterKind, TensorSpec
from portal.runtime.values import (
    input_from_bytes,
    input_from_json,
    input_from_text,
    parameter_from_json,
    parameter_from_text,
    parse_json,
)
from tests.runtime import picture_files

IMAGE = Input("photo", InputKind.IMAGE, "Photo")
FILE = Input("file", InputKind.FILE, "File")
TEXT = Input("text", InputKind.TEXT, "Text")
NUMBER = Input("age", InputKind.NUMBER, "Age")
PNG = picture_files.encode(picture_files.two_halves(), "PNG")
GIF = picture_files.encode(picture_files.two_halves(), "GIF")


def tensor(dtype, *shape):
    return Input("t", InputKind.TENSOR, "T", tensor=TensorSpec("t", dtype, shape))


def encoded(content):
    return base64.b64encode(content).decode()


# What is taken


def test_text_is_taken_as_it_came():
    sent = "  Grüße,\n日本語 😀 {{ 7*7 }} %s "

    from_form = input_from_text(TEXT, sent)
    from_bytes = input_from_bytes(TEXT, sent.encode())
    from_json = input_from_json(TEXT, sent)

    assert from_form == from_bytes == from_json == sent


@pytest.mark.parametrize(
    ("sent", "number"), [("3", 3.0), ("-2.5", -2.5), ("1e3", 1000.0), (" 7 ", 7.0)]
)
def test_a_number_may_be_written_as_text(sent, number):
    assert input_from_text(NUMBER, sent) == number
    assert input_from_bytes(NUMBER, sent.encode()) == number


@pytest.mark.parametrize("sent", [3, 3.5, -1, 0, 2**70])
def test_a_number_may_come_in_json(sent):
    number = input_from_json(NUMBER, sent)

    assert number == sent
    assert isinstance(number, float)


def test_a_file_is_taken_byte_for_byte():
    content = bytes(range(256))

    from_part = input_from_bytes(FILE, content)
    from_base64 = input_from_json(FILE, encoded(content))
    from_data_url = input_from_json(FILE, f"data:a/b;base64,{encoded(content)}")

    assert from_part == from_base64 == from_data_url == content


@pytest.mark.parametrize(
    "value",
    [
        encoded(PNG),
        f"data:image/png;base64,{encoded(PNG)}",
        f"data:application/pdf;base64,{encoded(PNG)}",
        f"data:;base64,{encoded(PNG)}",
    ],
    ids=["base64", "data: URL", "data: URL of a wrong type", "data: URL of no type"],
)
def test_a_picture_may_come_in_json(value):
    pixels = input_from_json(IMAGE, value)

    assert pixels.shape == (20, 40, 3)
    assert np.array_equal(pixels, input_from_bytes(IMAGE, PNG))


@pytest.mark.parametrize(
    ("declared", "sent", "shape"),
    [
        (tensor("float32", "N", 2), "[[1, 2.5], [3e2, -4]]", (2, 2)),
        (tensor("float64", 2), "[1e300, 2]", (2,)),
        (tensor("float16", None), "[65504]", (1,)),
        (tensor("int64", "N"), "[9223372036854775807, -9223372036854775808]", (2,)),
        (tensor("uint64", "N"), "[18446744073709551615]", (1,)),
        (tensor("uint8", 1, 1, 3), "[[[0, 128, 255]]]", (1, 1, 3)),
        (tensor("bool", "N"), "[true, false]", (2,)),
        (tensor("str", "N"), '["", "ä😀", "a\\u0000b"]', (3,)),
        (tensor("float32"), "2.5", ()),
        (tensor("str"), '"word"', ()),
    ],
    ids=str,
)
def test_nested_lists_become_an_array_of_the_declared_dtype(declared, sent, shape):
    array = input_from_text(declared, sent)

    dtype = declared.tensor.dtype
    assert array.dtype == (np.dtype(object) if dtype == "str" else np.dtype(dtype))
    assert array.shape == shape
    assert array.tolist() == orjson.loads(sent)
    assert input_from_json(declared, orjson.loads(sent)).tolist() == array.tolist()
    assert input_from_bytes(declared, sent.encode()).tolist() == array.tolist()


# What is refused


@pytest.mark.parametrize(
    ("dtype", "value", "sentence"),
    [
        ("float32", [True, 1], "must hold numbers only; among them came a boolean"),
        ("float32", [1, None], "must hold numbers only; among them came null"),
        ("float32", ["1", 2], "must hold numbers only; among them came a string"),
        ("float32", ["nan"], "must hold numbers only; among them came a string"),
        ("float32", [{}, 1], "must hold numbers only; among them came an object"),
        ("float32", [1, [2]], "must hold numbers only; among them came a list"),
        ("float32", [None, True], "among them came a boolean, null"),
        ("int64", [1.0], "must hold whole numbers only; among them came a decimal"),
        ("int64", [2.5], "must hold whole numbers only; among them came a decimal"),
        ("int64", [1e30], "must hold whole numbers only; among them came a decimal"),
        ("int64", [True], "must hold whole numbers only; among them came a boolean"),
        ("bool", [1, 0], "must hold booleans only; among them came a number"),
        ("bool", ["true"], "must hold booleans only; among them came a string"),
        ("str", [1], "must hold strings only; among them came a number"),
        ("str", [None], "must hold strings only; among them came null"),
    ],
)
def test_values_of_another_type_are_refused_and_never_converted(dtype, value, sentence):
    with pytest.raises(Invalid) as refused:
        input_from_json(tensor(dtype, "N"), value)

    assert str(refused.value).startswith("t ")
    assert sentence in str(refused.value)
    assert refused.value.pointer == "/inputs/t"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([[1, 2], [3]], "must be a full grid"),
        ([[1, 2], 3], "must be a full grid"),
        ([[[1], [2]], [[3], [4, 5]]], "must be a full grid"),
        ([], "is empty"),
        ([[]], "is empty"),
        ([[1, 2], []], "must be a full grid"),
        ([1, 2], "must have the shape [N, 2]; what came has [2]"),
        ([[[1, 2]]], "must have the shape [N, 2]; what came has [1, 1, 2]"),
        ([[1, 2, 3]], "must have the shape [N, 2]; what came has [1, 3]"),
        ([[1], [2]], "must have the shape [N, 2]; what came has [2, 1]"),
        (1, "must be nested lists, not a number"),
        (None, "must be nested lists, not null"),
        ("[[1, 2]]", "must be nested lists, not a string"),
        ({"data": [[1, 2]]}, "must be nested lists, not an object"),
        (True, "must be nested lists, not a boolean"),
    ],
    ids=str,
)
def test_another_shape_is_refused(value, sentence):
    with pytest.raises(Invalid) as refused:
        input_from_json(tensor("float32", "N", 2), value)

    assert sentence in str(refused.value)


@pytest.mark.parametrize("depth", [33, 64, 65, 500, 1024])
def test_however_deep_the_lists_they_are_refused_by_their_shape(depth):
    document = parse_json(b"[" * depth + b"1" + b"]" * depth)

    with pytest.raises(Invalid, match="must have the shape"):
        input_from_json(tensor("float32", "N", 2), document)


def test_a_list_is_no_value_without_axes():
    with pytest.raises(Invalid, match="must hold numbers only; among them came a list"):
        input_from_json(tensor("float32"), [1])


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("int8", 128),
        ("int8", -129),
        ("uint16", 65_536),
        ("int16", 32_768),
        ("uint32", 2**32),
        ("int32", 2**31),
        ("int32", -(2**31) - 1),
        ("uint64", -1),
        ("uint64", 2**64),
        ("int64", 2**63),
        ("int64", 10**400),
        ("float16", 65_520),
        ("float16", -1e5),
        ("float32", 1e39),
        ("float32", 10**39),
        ("float32", 10**400),
        ("float64", 10**400),
        ("float64", float("inf")),
        ("float64", float("nan")),
    ],
)
def test_a_number_that_does_not_fit_is_refused_and_never_wrapped(dtype, value):
    with pytest.raises(Invalid) as refused:
        input_from_json(tensor(dtype, "N"), [0, value])

    message = f"t holds a number that does not fit into {dtype}."
    assert str(refused.value) == message


def test_base64_may_be_wrapped_into_lines():
    content = bytes(range(256))

    read = input_from_json(FILE, base64.encodebytes(content).decode())

    assert read == content


@pytest.mark.parametrize(
    ("declared", "value", "sentence"),
    [
        (TEXT, 1, "text must be a string, not a number."),
        (TEXT, None, "text must be a string, not null."),
        (TEXT, ["a"], "text must be a string, not a list."),
        (TEXT, "a\x00b", "without NUL"),
        (TEXT, "a" * 100_001, "text must be at most 100000 characters"),
        (NUMBER, True, "age must be a number, not a boolean."),
        (NUMBER, "3", "age must be a number, not a string."),
        (NUMBER, None, "age must be a number, not null."),
        (NUMBER, 10**400, "age must be a number between"),
        (NUMBER, float("inf"), "age must be a number between"),
        (NUMBER, float("nan"), "age must be a number between"),
        (IMAGE, 1, "photo must be a base64 string, not a number."),
        (IMAGE, {"b64": ""}, "photo must be a base64 string, not an object."),
        (IMAGE, "", "photo is empty"),
        (IMAGE, "data:image/png;base64,", "photo is empty"),
        (IMAGE, "data:image/png,abc", "photo must be a data: URL with ;base64."),
        (IMAGE, "data:image/png;base64", "photo is empty"),
        (IMAGE, "not base64!", "photo is not valid base64."),
        (IMAGE, "aGk", "photo is not valid base64."),
        (IMAGE, "aGk=\n", "photo is not a picture"),
        (IMAGE, "größe===", "photo is not valid base64."),
        (IMAGE, "https://example.org/a.png", "photo is not valid base64."),
        (IMAGE, encoded(b"hello"), "photo is not a picture"),
        (FILE, "", "file is empty"),
    ],
)
def test_a_wrong_value_in_json_is_refused(declared, value, sentence):
    with pytest.raises(Invalid) as refused:
        input_from_json(declared, value)

    assert sentence in str(refused.value)
    assert refused.value.pointer == f"/inputs/{declared.name}"


@pytest.mark.parametrize(
    ("declared", "text", "sentence"),
    [
        (IMAGE, "photo.png", "photo must be sent as a file (-F photo=@file)"),
        (FILE, "", "file must be sent as a file (-F file=@file)"),
        (NUMBER, "", "age must be a number."),
        (NUMBER, "three", "age must be a number."),
        (NUMBER, "NaN", "age must be a number."),
        (NUMBER, "Infinity", "age must be a number."),
        (NUMBER, "1e400", "age must be a number."),
        (NUMBER, "true", "age must be a number, not a boolean."),
        (tensor("float32", "N"), "", "t must be nested lists of numbers such as"),
        (tensor("float32", "N"), "1, 2", "it can't be read as JSON"),
        (tensor("float32", "N"), "[NaN]", "it can't be read as JSON"),
        (tensor("float32", "N"), "[1e400]", "it can't be read as JSON"),
        (tensor("float32", "N"), "[" * 5000, "it can't be read as JSON"),
        (tensor("float32", "N"), "null", "t must be nested lists, not null."),
    ],
)
def test_a_wrong_form_field_is_refused(declared, text, sentence):
    with pytest.raises(Invalid) as refused:
        input_from_text(declared, text)

    assert sentence in str(refused.value)


@pytest.mark.parametrize("declared", [TEXT, NUMBER, tensor("float32", "N")])
def test_bytes_that_are_no_text_are_refused(declared):
    with pytest.raises(Invalid, match="must be text in UTF-8"):
        input_from_bytes(declared, b"\xff\xfe1\x00")


def test_an_empty_file_is_refused():
    with pytest.raises(Invalid, match="file is empty"):
        input_from_bytes(FILE, b"")


def test_a_picture_of_another_kind_is_refused_in_base64_too():
    with pytest.raises(UnsupportedType, match="photo is a GIF"):
        input_from_json(IMAGE, encoded(GIF))


# Parameters

BOOL = Parameter("crop", ParameterKind.BOOL, "Crop", default=False)
INT = Parameter("top", ParameterKind.INT, "Top", default=5, minimum=1, maximum=50)
ANY_INT = Parameter("seed", ParameterKind.INT, "Seed", default=0)
FLOAT = Parameter("score", ParameterKind.FLOAT, "S", default=0.5, minimum=0, maximum=1)
ANY_FLOAT = Parameter("bias", ParameterKind.FLOAT, "Bias", default=0)
CHOICE = Parameter("mode", ParameterKind.CHOICE, "M", "fast", choices=("fast", "Best"))


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        *((BOOL, word, True) for word in ("true", "TRUE", "on", "Yes", "1", " true ")),
        *((BOOL, word, False) for word in ("false", "off", "No", "0", "")),
        (INT, "1", 1),
        (INT, " 50 ", 50),
        (INT, "007", 7),
        (ANY_INT, "-9", -9),
        (FLOAT, "0", 0.0),
        (FLOAT, ".25", 0.25),
        (FLOAT, "1e-3", 0.001),
        (CHOICE, "Best", "Best"),
    ],
)
def test_a_parameter_may_be_written_as_text(declared, text, value):
    read = parameter_from_text(declared, text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (BOOL, True),
        (INT, 50),
        (FLOAT, 1),
        (FLOAT, 0.0),
        (CHOICE, "fast"),
        (ANY_INT, 10**400),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_parameter_may_come_in_json(declared, value):
    assert parameter_from_json(declared, value) == value


@pytest.mark.parametrize(
    ("declared", "text", "sentence"),
    [
        (BOOL, "maybe", "crop must be true or false, not 'maybe'."),
        (BOOL, "2", "crop must be true or false, not '2'."),
        (INT, "0", "top must be a whole number from 1 to 50, not 0."),
        (INT, "51", "top must be a whole number from 1 to 50, not 51."),
        (INT, "5.0", "top must be a whole number from 1 to 50, not '5.0'."),
        (INT, "", "top must be a whole number from 1 to 50, not ''."),
        (INT, "1_0", "top must be a whole number from 1 to 50, not '1_0'."),
        (INT, "\u0663", "top must be a whole number from 1 to 50"),
        (INT, "9" * 5000, "top must be a whole number from 1 to 50"),
        (ANY_INT, "many", "seed must be a whole number, not 'many'."),
        (FLOAT, "1.01", "score must be a number from 0 to 1, not 1.01."),
        (FLOAT, "-0.1", "score must be a number from 0 to 1, not -0.1."),
        (FLOAT, "nan", "score must be a number from 0 to 1, not nan."),
        (FLOAT, "inf", "score must be a number from 0 to 1, not inf."),
        (FLOAT, "0,5", "score must be a number from 0 to 1, not '0,5'."),
        (ANY_FLOAT, "1e400", "bias must be a number, not inf."),
        (ANY_FLOAT, "-infinity", "bias must be a number, not -inf."),
        (CHOICE, "best", "mode must be one of fast, Best, not 'best'."),
        (CHOICE, "", "mode must be one of fast, Best, not ''."),
    ],
)
def test_a_wrong_parameter_in_a_form_is_refused(declared, text, sentence):
    with pytest.raises(Invalid) as refused:
        parameter_from_text(declared, text)

    assert sentence in str(refused.value)
    assert refused.value.pointer == f"/parameters/{declared.name}"
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("declared", "value", "sentence"),
    [
        (BOOL, 1, "crop must be true or false, not a number."),
        (BOOL, "true", "crop must be true or false, not a string."),
        (BOOL, None, "crop must be true or false, not null."),
        (INT, True, "top must be a whole number from 1 to 50, not a boolean."),
        (INT, 5.0, "top must be a whole number from 1 to 50, not a number."),
        (INT, "5", "top must be a whole number from 1 to 50, not a string."),
        (INT, [], "top must be a whole number from 1 to 50, not a list."),
        (INT, 10**400, "top must be a whole number from 1 to 50, not 1000"),
        (FLOAT, True, "score must be a number from 0 to 1, not a boolean."),
        (FLOAT, 2, "score must be a number from 0 to 1, not 2."),
        (FLOAT, float("nan"), "score must be a number from 0 to 1, not nan."),
        (CHOICE, 1, "mode must be one of fast, Best, not 1."),
        (CHOICE, {"a": 1}, "mode must be one of fast, Best"),
    ],
    ids=lambda value: getattr(value, "name", "")[:5],
)
def test_a_wrong_parameter_in_json_is_refused(declared, value, sentence):
    with pytest.raises(Invalid) as refused:
        parameter_from_json(declared, value)

    assert sentence in str(refused.value)


# Documents


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e400]",
        b'{"a": 1} x',
        b'"\\ud800"',
        b'"\xff"',
        b"[" * 100_000,
        b"[" * 1025 + b"]" * 1025,
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda content: content[:12].decode(errors="replace"),
)
def test_a_document_that_is_not_strict_json_is_malformed(content):
    with pytest.raises(Malformed) as refused:
        parse_json(content)

    assert str(refused.value).startswith("The body is not valid JSON: ")


def test_whatever_document_comes_only_a_refusal_or_a_fitting_array_comes_back():
    draw = random.Random(20_260_102)
    tensors = [
        tensor(dtype, *shape)
        for dtype in ("float32", "float16", "int64", "uint8", "bool", "str")
        for shape in ((), ("N",), ("N", 2), (2, None, 1))
    ]
    fitted = 0

    for _ in range(20_000):
        declared = draw.choice([*tensors, TEXT, NUMBER, IMAGE, FILE])
        document = random_document(draw, depth=draw.randint(0, 4))
        try:
            value = input_from_json(declared, document)
        except PortalError as refused:
            assert declared.name in str(refused)  # noqa: PT017 - either will do
            continue
        fitted += 1
        if declared.kind is InputKind.TENSOR:
            declared.tensor.check(value.shape, "")
            if declared.tensor.dtype.startswith("float"):
                assert np.allclose(value, document, rtol=1e-2)
            else:
                assert value.tolist() == document

    assert fitted > 500


def random_document(draw, depth):
    """Return nested lists, mostly regular ones, of leaves that are mostly alike."""
    leaf = draw.choice(
        [
            lambda: draw.randint(-3, 300),
            lambda: draw.uniform(-1e3, 1e3),
            lambda: draw.choice([True, False]),
            lambda: draw.choice(["", "a", "nan", "1", "\x00", "aGk=", "data:,"]),
            lambda: draw.choice([None, {}, {"a": [1]}, 2**63, 10**400, 1e39, -0.0]),
        ]
    )
    sizes = [draw.choice([0, 1, 1, 2, 2, 2, 3]) for _ in range(depth)]

    def build(level):
        if level == depth or draw.random() < 0.02:
            return leaf()
        size = sizes[level] if draw.random() < 0.97 else draw.randint(0, 3)
        return [build(level + 1) for _ in range(size)]

    return build(0)
