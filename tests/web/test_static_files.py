"""Static files: kept for a year under an address that changes with them."""

import hashlib
import re

import pytest
from flask import url_for

from portal.config import ROOT


def first_static():
    """Return the path of some style sheet of ours."""
    return next((ROOT / "static/css").glob("*.css")).relative_to(ROOT / "static")


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


def test_a_versioned_file_may_be_kept_for_a_year(client):
    answer = client.get(f"/static/{first_static()}?v=12345678", buffered=True)

    cache = answer.cache_control
    assert (cache.public, cache.immutable, cache.max_age) == (True, True, 31536000)
    assert "Set-Cookie" not in answer.headers


def test_a_file_without_a_version_is_asked_for_again(client):
    answer = client.get(f"/static/{first_static()}", buffered=True)

    assert answer.cache_control.no_cache
    assert answer.headers["ETag"]


def test_a_file_that_did_not_change_is_not_sent_again(client):
    address = f"/static/{first_static()}"
    etag = client.get(address, buffered=True).headers["ETag"]

    answer = client.get(address, headers={"If-None-Match": etag}, buffered=True)

    assert answer.status_code == 304


@pytest.mark.parametrize(
    "path", ["nothing.css?v=12345678", "nothing.css", "..%2fwsgi.py?v=1", ".env?v=1"]
)
def test_a_file_that_is_not_there_is_never_kept(client, path):
    """During a deploy the new address may meet the old portal."""
    answer = client.get(f"/static/{path}")

    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_folder_is_not_listed(client):
    assert client.get("/static/css/").status_code == 404
