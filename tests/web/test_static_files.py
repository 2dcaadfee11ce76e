"""Static files: kept for a year under an address that changes with them."""

import gzip
import hashlib
import re
import shutil

import pytest
from flask import Flask, url_for

from portal.app import create_app
from portal.config import ROOT
from portal.web import static_files
from tests.conftest import make_config

PICO = "vendor/pico-2.1.1/pico.min.css"


def first_static():
    """Return the path of some style sheet of ours."""
    return next((ROOT / "static/css").glob("*.css")).relative_to(ROOT / "static")


def address_of(app, name):
    """Return the address of a file as a page has it."""
    with app.test_request_context("/"):
        return url_for("static", filename=name)


def get(client, address, accepted="gzip", **headers):
    """Ask as a browser that takes *accepted*."""
    return client.get(address, headers={"Accept-Encoding": accepted, **headers})


@pytest.fixture(scope="module")
def app(migrated_sqlite, tmp_path_factory):
    """Return one portal for all tests here; none of them writes anything."""
    folder = tmp_path_factory.mktemp("static")
    shutil.copy(migrated_sqlite, folder / "portal.sqlite3")
    return create_app(make_config(folder))


@pytest.fixture
def folder(tmp_path):
    """Return a static folder that is ours alone."""
    return tmp_path


@pytest.fixture
def small_app(folder):
    """Return an application that has nothing but that folder."""
    app = Flask("portal", static_folder=folder, static_url_path="/static")
    static_files.init_app(app)
    return app


def test_an_address_ends_with_the_digest_of_the_content(app):
    name = str(first_static())
    digest = hashlib.sha256((ROOT / "static" / name).read_bytes()).hexdigest()

    with app.test_request_context("/"):
        address = url_for("static", filename=name)

    assert address == f"/static/{name}?v={digest[:8]}"


def test_every_static_address_on_a_page_has_its_version(client):
    """Vendored files have it in their path, too."""
    page = client.get("/").text

    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    version = re.compile(r"\?v=[0-9a-f]{8}|/vendor/[a-z-]+-[0-9.]+/")
    assert len(found) > 3
    assert [one for one in found if not version.search(one)] == []


def test_every_static_address_on_a_page_is_there(client):
    page = client.get("/").text

    for address in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page)):
        assert client.get(address, buffered=True).status_code == 200, address


def test_a_file_under_its_version_may_be_kept_for_a_year(app, client):
    answer = client.get(address_of(app, str(first_static())))

    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("query", ["", "?v=", "?v=12345678", "?w=1"])
def test_a_file_without_its_version_is_asked_for_again(client, query):
    """During a deploy the new address may meet the old file."""
    answer = client.get(f"/static/{first_static()}{query}")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["ETag"]


def test_a_vendored_file_may_be_kept_for_a_day_under_its_path(client):
    answer = client.get(f"/static/{PICO}")

    assert answer.headers["Cache-Control"] == "public, max-age=86400"
    wrong = client.get(f"/static/{PICO}?v=12345678")
    assert wrong.headers["Cache-Control"] == "no-cache"


def test_the_version_is_that_of_the_file_as_it_is_now(folder, small_app):
    """`make dev` never starts again for a style sheet."""
    client = small_app.test_client()
    (folder / "a.css").write_text("a { color: red }")
    before = address_of(small_app, "a.css")
    (folder / "a.css").write_text("a { color: yellow }")

    after = address_of(small_app, "a.css")

    assert before != after
    assert client.get(before).headers["Cache-Control"] == "no-cache"
    assert client.get(after).cache_control.immutable
    assert client.get(after).text == "a { color: yellow }"


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*", "gzip, identity"])
def test_text_is_compressed_for_who_takes_gzip(client, accepted):
    content = (ROOT / "static" / PICO).read_bytes()

    answer = get(client, f"/static/{PICO}", accepted)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert gzip.decompress(answer.data) == content
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert len(answer.data) < len(content) / 4


@pytest.mark.parametrize(
    "accepted",
    ["", "br", "gzip;q=0", "gzip;q=0, *", "*;q=0", "identity, gzip;q=0.5", "gzip;q=x"],
)
def test_text_is_bare_for_who_does_not_want_gzip(client, accepted):
    content = (ROOT / "static" / PICO).read_bytes()

    answer = get(client, f"/static/{PICO}", accepted)

    assert "Content-Encoding" not in answer.headers
    assert answer.data == content
    assert int(answer.headers["Content-Length"]) == len(content)


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_a_cache_is_told_that_text_varies(client, accepted):
    answer = get(client, f"/static/{PICO}", accepted)

    assert answer.headers["Vary"] == "Accept-Encoding"


def test_each_encoding_has_its_own_tag(client):
    compressed = get(client, f"/static/{PICO}").headers["ETag"]
    bare = get(client, f"/static/{PICO}", "identity").headers["ETag"]

    assert compressed != bare
    assert not compressed.startswith("W/")
    assert not bare.startswith("W/")


@pytest.mark.parametrize("name", ["a.css", "a.js", "a.json", "a.svg", "a.txt"])
def test_text_of_every_kind_is_compressed(folder, small_app, name):
    (folder / name).write_bytes(b"the same again " * 99)

    answer = get(small_app.test_client(), f"/static/{name}")

    assert answer.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("name", ["a.png", "a.woff2", "a.onnx", "a"])
def test_what_is_no_text_is_never_compressed(folder, small_app, name):
    (folder / name).write_bytes(b"the same again " * 99)

    answer = get(small_app.test_client(), f"/static/{name}")

    assert "Content-Encoding" not in answer.headers
    assert "Vary" not in answer.headers
    assert answer.data == b"the same again " * 99
    assert answer.mimetype != "text/html"


def test_what_compressing_makes_larger_is_sent_bare(folder, small_app):
    (folder / "a.txt").write_text("short")

    answer = get(small_app.test_client(), "/static/a.txt")

    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.text == "short"


def test_a_file_is_compressed_once(client, monkeypatch):
    get(client, f"/static/{PICO}")
    monkeypatch.setattr(gzip, "compress", None)

    answer = get(client, f"/static/{PICO}")

    assert answer.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_that_did_not_change_is_not_sent_again(app, client, accepted, method):
    address = address_of(app, str(first_static()))
    first = get(client, address, accepted)

    answer = client.open(
        address,
        method=method,
        headers={"Accept-Encoding": accepted, "If-None-Match": first.headers["ETag"]},
    )

    assert (answer.status_code, answer.data) == (304, b"")
    for name in ("ETag", "Vary", "Cache-Control"):
        assert answer.headers[name] == first.headers[name]
    assert "Content-Encoding" not in answer.headers


def test_the_other_encoding_is_sent_to_who_has_only_one(client):
    """A cache must not join the tag of one with the bytes of the other."""
    bare = get(client, f"/static/{PICO}", "identity").headers["ETag"]

    answer = get(client, f"/static/{PICO}", "gzip", **{"If-None-Match": bare})

    assert answer.status_code == 200


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_head_says_what_get_would(client, accepted):
    address = f"/static/{PICO}"
    got = get(client, address, accepted)

    answer = client.head(address, headers={"Accept-Encoding": accepted})

    assert (answer.status_code, answer.data) == (200, b"")
    changing = {"Date", "X-Request-ID"}
    assert {n: v for n, v in answer.headers if n not in changing} == {
        n: v for n, v in got.headers if n not in changing
    }


def test_a_part_is_of_the_bare_bytes(client):
    """A part of a compressed file can't be read alone."""
    content = (ROOT / "static" / PICO).read_bytes()

    answer = get(client, f"/static/{PICO}", Range="bytes=100-199")

    assert answer.status_code == 206
    assert answer.data == content[100:200]
    assert answer.headers["Content-Range"] == f"bytes 100-199/{len(content)}"
    assert answer.headers["Content-Length"] == "100"
    assert "Content-Encoding" not in answer.headers


def test_a_part_of_what_has_changed_is_sent_whole(client):
    content = (ROOT / "static" / PICO).read_bytes()
    compressed = get(client, f"/static/{PICO}").headers["ETag"]

    answer = get(
        client, f"/static/{PICO}", **{"Range": "bytes=9-", "If-Range": compressed}
    )

    assert (answer.status_code, answer.data) == (200, content)


def test_a_part_that_is_not_there_is_refused(client):
    answer = get(client, f"/static/{first_static()}", Range="bytes=999999-")

    assert answer.status_code == 416
    assert answer.headers["Cache-Control"] == "no-store"


def test_head_knows_no_parts(client):
    answer = client.head(f"/static/{PICO}", headers={"Range": "bytes=0-9"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("nothing.css?v=12345678", "nothing.css", "..%2fwsgi.py?v=1", ".env?v=1"),
        *("css/%00.css", f"{'x' * 300}.css", "..%2f..%2fetc%2fpasswd", "css/app.css/x"),
    ],
)
def test_a_file_that_is_not_there_is_never_kept(client, path):
    """During a deploy the new address may meet the old portal."""
    answer = client.get(f"/static/{path}")

    assert answer.status_code == 404
    assert answer.mimetype == "text/html"
    assert "There is nothing at this address." in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_folder_is_not_listed(client):
    assert client.get("/static/css/").status_code == 404


def test_a_page_is_never_compressed(client):
    """It holds a form token beside what the reader typed."""
    answer = get(client, "/login")

    assert "Content-Encoding" not in answer.headers
    assert "Accept-Encoding" not in answer.headers.get("Vary", "")
