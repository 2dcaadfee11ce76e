"""`local_path`: a `next` never leads to another site."""

import pytest
from flask import Flask

from portal.web import local_path, see_other

SAFE = [
    "/",
    "/keys",
    "/models/iris?example=2",
    "/usage?days=7#chart",
    "/login?next=/keys",
    "/a//b",
    "/%2f%2fevil.test",
    "/über",
    "/@evil.test",
    "/a:b",
]
TRICKS = [
    None,
    "",
    "keys",
    "//evil.test",
    "///evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\r\nSet-Cookie: a=b",
    "\t//evil.test",
    " //evil.test",
    " /keys",
    "/\x00/evil.test",
    "/\u2028/evil.test",
    "/\u202egro.live",
    "/ /evil.test\x7f",
    "http://evil.test",
    "https:evil.test",
    "https:/evil.test",
    "HTTPS://evil.test/keys",
    "javascript:alert(1)",
    "JavaScript:alert(1)//",
    "data:text/html,x",
    "@evil.test",
    "evil.test",
    ":80",
    "?next=//evil.test",
    "#/keys",
    "/keys\\..\\..\\",
]


@pytest.mark.parametrize("target", SAFE)
def test_a_path_of_this_portal_is_taken(target):
    assert local_path(target, "/home") == target


@pytest.mark.parametrize("target", TRICKS)
def test_anything_else_becomes_the_default(target):
    assert local_path(target, "/home") == "/home"


@pytest.mark.parametrize("target", [*SAFE, *TRICKS])
def test_whatever_was_asked_the_answer_stays_on_this_host(target):
    """Werkzeug cleans a location its own way, so look at what it sends."""
    app = Flask(__name__)

    with app.test_request_context("/"):
        location = see_other(local_path(target, "/home")).headers["Location"]

    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def test_a_write_is_answered_with_303():
    with Flask(__name__).test_request_context("/", method="POST"):
        assert see_other("/keys").status_code == 303
