"""A script of another site calls the API from a real browser."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex

import pytest
from playwright.sync_api import BrowserContext

from portal import keys
from portal.app import create_app
from portal.db import db
from tests.conftest import make_config
from tests.factories import make_user
from tests.servers import Portal

pytestmark = pytest.mark.browser

# Returns what the script can read; the last of its calls is one over the limit.
CALL = """
async ([url, secret, document, calls]) => {
  const answers = [];
  try {
    for (let left = calls; left > 0; left--) {
      const answer = await fetch(url, {
        method: "POST",
        headers: {"X-API-Key": secret, "Content-Type": "application/json"},
        body: JSON.stringify(document),
      });
      answers.push({
        status: answer.status,
        left: answer.headers.get("RateLimit"),
        id: answer.headers.get("X-Request-ID"),
        again: answer.headers.get("Retry-After"),
        body: await answer.json(),
      });
    }
  } catch (error) {
    answers.push({failed: error.name});
  }
  return answers;
}
"""
SETOSA = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Shop</title>")

    def log_message(self, *_told: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    """Return the origin of another site, which serves an empty page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def make_secret(portal: Portal, *origins: str) -> str:
    with create_app(make_config(portal.data_dir)).app_context():
        issued = keys.issue(
            make_user(f"{token_hex(4)}@example.org"),
            name="page",
            restrictions=keys.read_restrictions(origins=origins),
        )
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    return issued.secret


def call(context: BrowserContext, site: str, portal: Portal, secret: str, calls=1):
    page = context.new_page()
    page.goto(site)
    url = f"{portal.base_url}/api/v1/models/iris/predict"
    return page.evaluate(CALL, [url, secret, SETOSA, calls])


def test_a_page_of_an_origin_that_the_key_names_reads_answers_and_limits(
    context: BrowserContext, portal: Portal, site: str
) -> None:
    secret = make_secret(portal, site)

    answers = call(context, site, portal, secret, calls=61)

    first, last = answers[0], answers[-1]
    assert first["status"] == 200
    assert first["body"]["outputs"]["labels"][0]["label"] == "setosa"
    assert "r=59" in first["left"]
    assert first["id"].startswith("req_")
    assert last["status"] == 429
    assert int(last["again"]) >= 1
    assert last["body"]["title"] == "A limit is reached"


def test_a_page_of_another_origin_reads_nothing(
    context: BrowserContext, portal: Portal, site: str
) -> None:
    secret = make_secret(portal, "https://shop.example.org")

    assert call(context, site, portal, secret) == [{"failed": "TypeError"}]
