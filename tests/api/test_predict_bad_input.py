"""What a prediction refuses, and how it says so."""

import base64
import io
import json
import re
import struct
import zlib

import pytest
from PIL import Image

from portal.usage.tables import NOBODY
from tests.api.calling import (
    FILE_TYPE,
    IRIS,
    OCR,
    bearer,
    picture,
    quota_used,
    records,
)

MEMBERS = {"type", "title", "status", "detail", "instance"}
PNG_BYTES = picture()
JSON_TYPE = "application/json"
BOUNDARY = "multipart/form-data; boundary=edge"


def png_header(width, height):
    """Return a PNG that says it has that many pixels, and holds none."""

    def chunk(kind, content):
        sum_ = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + sum_

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def animation():
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def image(content, name="picture.png"):
    return {"files": {"image": (content, name, "image/png")}}


def body(content, content_type, **options):
    return {"data": content, "content_type": content_type, **options}


def features(value):
    return {"json": {"inputs": {"features": value}}}


def json_text(text):
    return body(text, JSON_TYPE)


def encoded(content=PNG_BYTES):
    return base64.b64encode(content).decode()


def part(name, content="1", file_name=None):
    as_file = f'; filename="{file_name}"' if file_name else ""
    disposition = f'Content-Disposition: form-data; name="{name}"{as_file}'
    return f"--edge\r\n{disposition}\r\n\r\n{content}\r\n"


MALFORMED = {
    "broken JSON": (IRIS, json_text(b'{"inputs": ')),
    "no JSON at all": (IRIS, json_text(b"")),
    "two documents": (IRIS, json_text(b"{} {}")),
    "NaN as a literal": (IRIS, json_text(b'{"inputs": {"features": [[NaN,1,1,1]]}}')),
    "Infinity as a literal": (
        IRIS,
        json_text(b'{"inputs": {"features": [[-Infinity,1,1,1]]}}'),
    ),
    "a number beyond any": (
        IRIS,
        json_text(b'{"inputs": {"features": [[1e999,1,1,1]]}}'),
    ),
    "sixty thousand brackets": (IRIS, json_text(b"[" * 60_000)),
    "a byte order mark": (
        IRIS,
        json_text(b"\xef\xbb\xbf" + json.dumps(features([[1, 1, 1, 1]])).encode()),
    ),
    "JSON in UTF-16": (IRIS, json_text('{"inputs": {}}'.encode("utf-16"))),
    "a lone surrogate": (IRIS, json_text(rb'{"inputs": {"\ud800": 1}}')),
    "multipart without a boundary": (OCR, body(b"x", "multipart/form-data")),
    "multipart that is noise": (OCR, body(b"noise", BOUNDARY)),
    "multipart that breaks off": (
        OCR,
        body(part("image", "x", "a.png").removesuffix("\r\n"), BOUNDARY),
    ),
    "multipart of another boundary": (
        OCR,
        body("--other\r\n\r\nx\r\n--other--\r\n", BOUNDARY),
    ),
    "a field twice": (
        FILE_TYPE,
        body(f"{part('top')}{part('top')}{part('file', 'x', 'f')}--edge--", BOUNDARY),
    ),
    "a file twice": (
        FILE_TYPE,
        body(
            f"{part('file', 'x', 'a')}{part('file', 'y', 'b')}--edge--",
            BOUNDARY,
        ),
    ),
    "a file and a field of one name": (
        FILE_TYPE,
        body(f"{part('file', 'x')}{part('file', 'y', 'b')}--edge--", BOUNDARY),
    ),
    "a part without a name": (
        FILE_TYPE,
        body("--edge\r\nContent-Disposition: form-data\r\n\r\nx\r\n--edge--", BOUNDARY),
    ),
    "a file without a name of its field": (
        FILE_TYPE,
        body(f"{part('', 'x', 'f')}--edge--", BOUNDARY),
    ),
    "a parameter twice in the address": (
        FILE_TYPE,
        body(b"x", "text/plain", query_string="top=1&top=2"),
    ),
}

TOO_LARGE = {
    "more than the limit": (FILE_TYPE, body(b"x" * (1024 * 1024 + 1), "text/plain")),
    "a thousand fields": (
        FILE_TYPE,
        body("".join(part(f"f{n}") for n in range(1000)) + "--edge--", BOUNDARY),
    ),
}

UNSUPPORTED = {
    "a GIF named .png": (OCR, image(picture("GIF"))),
    "a TIFF named .png": (OCR, image(picture("TIFF"))),
    "a BMP named .png": (OCR, image(picture("BMP"))),
    "an AVIF named .png": (OCR, image(b"\0\0\0\x1cftypavif" + b"\0" * 16)),
    "a HEIC named .png": (OCR, image(b"\0\0\0\x18ftypheic" + b"\0" * 16)),
    "an SVG named .png": (
        OCR,
        image(b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'),
    ),
    "a GIF in JSON": (
        OCR,
        {"json": {"inputs": {"image": encoded(picture("GIF"))}}},
    ),
    "a compressed body": (
        IRIS,
        json_text(b"\x1f\x8b") | {"headers": {"Content-Encoding": "gzip"}},
    ),
    "a form that is not multipart": (
        OCR,
        body(b"image=x", "application/x-www-form-urlencoded"),
    ),
    "numbers as a form that is not multipart": (
        IRIS,
        body(b"features=1", "application/x-www-form-urlencoded"),
    ),
    "JSON said to be text": (IRIS, body(b"{}", "text/plain")),
    "JSON without a type": (IRIS, body(b"{}", "")),
}

INVALID = {
    "text instead of a picture": (OCR, image(b"hello"), "/inputs/image"),
    "HTML instead of a picture": (OCR, image(b"<html>"), "/inputs/image"),
    "an empty file": (OCR, image(b""), "/inputs/image"),
    "an empty body": (OCR, body(b"", "image/png"), "/inputs/image"),
    "2,500 megapixels": (OCR, image(png_header(50_000, 50_000)), "/inputs/image"),
    "41 megapixels": (OCR, image(png_header(8200, 5000)), "/inputs/image"),
    "a header without pixels": (OCR, image(png_header(64, 64)), "/inputs/image"),
    "half a picture": (OCR, image(PNG_BYTES[:60]), "/inputs/image"),
    "an animation": (OCR, image(animation()), "/inputs/image"),
    "no file": (OCR, body(f"{part('min_score')}--edge--", BOUNDARY), "/inputs/image"),
    "a picture as a text field": (
        OCR,
        body(f"{part('image')}--edge--", BOUNDARY),
        "/inputs/image",
    ),
    "an unknown field": (
        OCR,
        body(f"{part('image', 'x', 'f')}{part('colour')}--edge--", BOUNDARY),
        "/inputs/colour",
    ),
    "base64 that isn't": (
        OCR,
        {"json": {"inputs": {"image": "a picture!"}}},
        "/inputs/image",
    ),
    "a data: URL without base64": (
        OCR,
        {"json": {"inputs": {"image": "data:image/png,abc"}}},
        "/inputs/image",
    ),
    "a number instead of a picture": (
        OCR,
        {"json": {"inputs": {"image": 7}}},
        "/inputs/image",
    ),
    "null instead of a picture": (
        OCR,
        {"json": {"inputs": {"image": None}}},
        "/inputs/image",
    ),
    "a list as the body": (IRIS, json_text(b"[1, 2]"), ""),
    "null as the body": (IRIS, json_text(b"null"), ""),
    "a string as the body": (IRIS, json_text(b'"x"'), ""),
    "a number as the body": (IRIS, json_text(b"7"), ""),
    "an unknown key beside the inputs": (
        IRIS,
        {"json": {**features([[1, 1, 1, 1]])["json"], "seed": 1}},
        "/seed",
    ),
    "inputs that are a list": (IRIS, {"json": {"inputs": []}}, "/inputs"),
    "inputs that are null": (IRIS, {"json": {"inputs": None}}, "/inputs"),
    "parameters that are a string": (
        IRIS,
        {"json": {"inputs": {}, "parameters": "top"}},
        "/parameters",
    ),
    "an empty object": (IRIS, {"json": {}}, "/inputs/features"),
    "an unknown input": (
        IRIS,
        {"json": {"inputs": {"pixels": 1}}},
        "/inputs/pixels",
    ),
    "an unknown parameter": (
        IRIS,
        {"json": {"inputs": {"features": []}, "parameters": {"top": 1}}},
        "/parameters/top",
    ),
    "a pointer with a slash": (IRIS, {"json": {"a/b~c": 1}}, "/a~1b~0c"),
    "a number instead of a tensor": (IRIS, features(7), "/inputs/features"),
    "too few sizes": (IRIS, features([1, 1, 1, 1]), "/inputs/features"),
    "too many sizes": (IRIS, features([[[1, 1, 1, 1]]]), "/inputs/features"),
    "a size too small": (IRIS, features([[1, 1, 1]]), "/inputs/features"),
    "a size too large": (IRIS, features([[1, 1, 1, 1, 1]]), "/inputs/features"),
    "no rows": (IRIS, features([]), "/inputs/features"),
    "an empty row": (IRIS, features([[]]), "/inputs/features"),
    "rows of different lengths": (
        IRIS,
        features([[1, 1, 1, 1], [1]]),
        "/inputs/features",
    ),
    "a row and a number": (IRIS, features([[1, 1, 1, 1], 1]), "/inputs/features"),
    "true for a number": (IRIS, features([[True, 1, 1, 1]]), "/inputs/features"),
    "null for a number": (IRIS, features([[None, 1, 1, 1]]), "/inputs/features"),
    "text for a number": (IRIS, features([["1", 1, 1, 1]]), "/inputs/features"),
    "NaN as text": (IRIS, features([["nan", 1, 1, 1]]), "/inputs/features"),
    "an object for a number": (IRIS, features([[{}, 1, 1, 1]]), "/inputs/features"),
    "a number beyond float32": (IRIS, features([[1e39, 1, 1, 1]]), "/inputs/features"),
    "numbers deeper than they may be": (
        IRIS,
        json_text(b'{"inputs": {"features": ' + b"[" * 900 + b"]" * 900 + b"}}"),
        "/inputs/features",
    ),
    "a field that isn't JSON": (
        IRIS,
        body(f"{part('features', 'five')}--edge--", BOUNDARY),
        "/inputs/features",
    ),
    "a parameter out of range": (
        FILE_TYPE,
        body(b"x", "text/plain", query_string="top=51"),
        "/parameters/top",
    ),
    "a parameter below its range": (
        FILE_TYPE,
        body(b"x", "text/plain", query_string="top=0"),
        "/parameters/top",
    ),
    "a half for a whole number": (
        FILE_TYPE,
        body(b"x", "text/plain", query_string="top=1.5"),
        "/parameters/top",
    ),
    "a parameter that is no number": (
        FILE_TYPE,
        body(b"x", "text/plain", query_string="top=many"),
        "/parameters/top",
    ),
    "a parameter of the wrong JSON type": (
        FILE_TYPE,
        {"json": {"inputs": {"file": encoded()}, "parameters": {"top": "3"}}},
        "/parameters/top",
    ),
    "true for a whole number": (
        FILE_TYPE,
        {"json": {"inputs": {"file": encoded()}, "parameters": {"top": True}}},
        "/parameters/top",
    ),
    "NaN for a number": (
        OCR,
        body(PNG_BYTES, "image/png", query_string="min_score=nan"),
        "/parameters/min_score",
    ),
    "an unknown name in the address": (
        OCR,
        body(PNG_BYTES, "image/png", query_string="colour=1"),
        "/parameters/colour",
    ),
    "parameters in the address of a form": (
        OCR,
        {**image(PNG_BYTES), "query_string": "min_score=1"},
        "/parameters",
    ),
    "parameters in the address of a document": (
        IRIS,
        {**features([[1, 1, 1, 1]]), "query_string": "top=1"},
        "/parameters",
    ),
}

REFUSED = [
    *((400, "", MALFORMED[what], what) for what in MALFORMED),
    *((413, "", TOO_LARGE[what], what) for what in TOO_LARGE),
    *((415, "", UNSUPPORTED[what], what) for what in UNSUPPORTED),
    *((422, INVALID[what][2], INVALID[what][:2], what) for what in INVALID),
]


@pytest.fixture
def config(make_portal_config):
    return make_portal_config(PORTAL_MAX_UPLOAD_MB="1")


@pytest.fixture
def send(client, ada):
    """Return a function that sends a call with Ada's key."""

    def send(address, options):
        options = dict(options)
        headers = {**bearer(ada.secret), **options.pop("headers", {})}
        for name, (content, *rest) in options.pop("files", {}).items():
            options["data"] = {name: (io.BytesIO(content), *rest)}
        return client.post(address, headers=headers, **options)

    return send


@pytest.mark.parametrize(
    ("status", "pointer", "call"),
    [row[:3] for row in REFUSED],
    ids=[f"{row[0]} {row[3]}" for row in REFUSED],
)
def test_bad_input_is_refused_in_words(send, ada, status, pointer, call):
    answer = send(*call)

    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    problem = answer.json
    assert set(problem) == MEMBERS | ({"errors"} if status == 422 else set())
    assert problem["status"] == status
    assert problem["type"].startswith("/docs/errors#")
    assert problem["instance"] == f"urn:request:{answer.headers['X-Request-ID']}"
    assert re.fullmatch(r"[^%\n]{15,300}", problem["detail"])
    if status == 422:
        assert problem["errors"] == [{"pointer": pointer, "detail": problem["detail"]}]
    # Nothing about the machine, and no trace.
    for leak in ("Traceback", "/work", "/tmp", "site-packages", ".py"):  # noqa: S108 - looked for
        assert leak not in answer.text
    # One record, and no quota.
    assert [(r.status, r.request_id) for r in records()] == [
        (status, answer.headers["X-Request-ID"])
    ]
    assert quota_used(ada.user) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (UNSUPPORTED["a GIF named .png"], ["image", "a GIF", "PNG, JPEG or WebP"]),
        (UNSUPPORTED["a compressed body"], ["Content-Encoding"]),
        (UNSUPPORTED["a form that is not multipart"], ["curl -F", "--data-binary"]),
        (INVALID["2,500 megapixels"], ["far too many pixels", "40 megapixels"]),
        (INVALID["a size too small"], ["features", "[N, 4]", "[1, 3]"]),
        (INVALID["true for a number"], ["numbers", "a boolean"]),
        (INVALID["a parameter out of range"], ["top", "from 1 to 50", "51"]),
        (INVALID["an unknown field"], ["colour", "image, min_score"]),
        (INVALID["a number instead of a picture"], ["base64 string", "a number"]),
        (TOO_LARGE["more than the limit"], ["1 MB"]),
    ],
)
def test_a_refusal_names_the_field_what_came_and_what_is_needed(send, call, words):
    detail = send(*call[:2]).json["detail"]

    assert [word for word in words if word not in detail] == []


def test_a_model_that_is_not_there_is_404_whatever_was_sent(send):
    answer = send("/api/v1/models/nothing/predict", json_text(b"{"))

    assert answer.status_code == 404
    assert [(r.status, r.model_id) for r in records()] == [(404, NOBODY)]


def test_a_long_name_is_not_repeated_whole(send):
    answer = send(IRIS, {"json": {"inputs": {"x" * 100_000: 1}}})

    assert answer.status_code == 422
    assert len(answer.data) < 1000


def test_the_last_of_two_equal_keys_in_json_counts(send):
    row = b"[[5.1, 3.5, 1.4, 0.2]]"

    answer = send(
        IRIS, json_text(b'{"inputs": {"features": 1, "features": ' + row + b"}}")
    )

    assert answer.status_code == 200


def test_a_refused_body_can_be_mended_and_sent_again(send):
    send(*INVALID["a size too small"][:2])

    answer = send(IRIS, features([[5.1, 3.5, 1.4, 0.2]]))

    assert answer.status_code == 200
    assert [record.status for record in records()] == [422, 200]
