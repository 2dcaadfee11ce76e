"""The main job by plain HTTP, on PostgreSQL and Redis with two workers."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

import pytest
import requests

from tests.servers import Portal, Postgres, Redis, SmtpSink

pytestmark = pytest.mark.slow

ADDRESS = "plain@example.org"
PASSWORD = "three calm herons at dusk"
# What one worker did is known to all (contract: a revoked key is refused within it).
WITHIN_S = 1.0
# Whichever worker shows the usage (contract).
COUNTED_WITHIN_S = 2.0
BUSY = {429}  # two calls of a user at a time
RECEIPT = Path("bundled/ocr/examples/receipt.png").resolve()
SECRET = re.compile(r"mp_[0-9A-Za-z]{38}")
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@pytest.fixture(scope="module")
def smtp() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


@pytest.fixture(scope="module")
def portal(postgres: Postgres, redis_server: Redis, smtp: SmtpSink) -> Iterator[Portal]:
    with Portal.production(
        postgres.create_database("journey"),
        redis_server.url,
        PORTAL_SMTP_URLS=smtp.url,
    ) as running:
        yield running


class Visitor:
    """A browser without JavaScript: it follows links and sends forms."""

    def __init__(self, portal: Portal) -> None:
        self.base_url = portal.base_url
        self.http = requests.Session()

    def get(self, path: str) -> str:
        answer = self.http.get(self._at(path), timeout=20)
        assert answer.status_code == 200, answer.text[:500]
        return unescape(answer.text)

    def send(self, path: str, *, form_at: str | None = None, **fields) -> str:
        """Send the form at *form_at* (default: *path*) and follow the answer."""
        files = fields.pop("files", None)
        page = self.get(form_at or path)
        fields["csrf_token"] = TOKEN.search(page).group(1)
        answer = self.http.post(self._at(path), data=fields, files=files, timeout=30)
        assert answer.status_code in {200, 201}, answer.text[:500]
        return unescape(answer.text)

    def _at(self, path: str) -> str:
        return path if path.startswith("http") else f"{self.base_url}{path}"


def test_from_first_visit_to_a_revoked_key(portal: Portal, smtp: SmtpSink) -> None:
    visitor = Visitor(portal)
    assert "Text recognition" in visitor.get("/")

    with RECEIPT.open("rb") as picture:
        tried = visitor.send(
            "/models/ocr/predictions",
            form_at="/models/ocr",
            files={"image": ("receipt.png", picture, "image/png")},
        )
    assert "HARBOUR BAKERY" in tried
    assert "<polygon" in tried

    waiting = visitor.send("/signup", email=ADDRESS, password=PASSWORD)
    assert ADDRESS in waiting
    text = smtp.wait_for(ADDRESS).get_body(("plain",)).get_content()
    link = next(word for word in text.split() if "/verify-email/" in word)
    assert "New key" in visitor.send(link)

    shown = visitor.send("/keys", name="script", expires_in="7d")
    secret = SECRET.search(shown).group()
    answer = predict(portal, secret)
    assert answer.status_code == 200
    assert answer.json()["outputs"]["labels"][0]["label"] == "setosa"

    answered_at = time.monotonic()
    while ">iris<" not in re.sub(r"\s", "", visitor.get("/usage")):
        assert time.monotonic() - answered_at < COUNTED_WITHIN_S
    assert ",iris," in visitor.get("/usage.csv")

    key_id = re.search(r"/keys/(\d+)/revocation", visitor.get("/keys")).group(1)
    assert "Revoked" in visitor.send(f"/keys/{key_id}/revocation", form_at="/keys")
    time.sleep(WITHIN_S)
    with ThreadPoolExecutor(8) as pool:
        # Every worker knows.
        statuses = set(
            pool.map(lambda _: predict(portal, secret).status_code, range(16))
        )
    assert statuses == {401}


def predict(portal: Portal, secret: str) -> requests.Response:
    return requests.post(
        f"{portal.base_url}/api/v1/models/iris/predict",
        json={"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}},
        headers={"Authorization": f"Bearer {secret}"},
        timeout=20,
    )


def test_the_rate_holds_over_both_workers(portal: Portal) -> None:
    portal.flask(
        *("users", "create", "--email", "busy@example.org"),
        *("--verified", "--password-stdin"),
        input=PASSWORD,
    )
    made = portal.flask("keys", "create", "--email", "busy@example.org", "--name", "k")
    secret = made.stdout.strip()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: predict(portal, secret), range(90)))

    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 60
    assert statuses.count(429) == 30
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["violated-policies"] == ["per-minute"]


def test_a_new_version_is_served_by_every_worker_within_five_seconds(
    portal: Portal, tmp_path: Path
) -> None:
    portal.flask("users", "create", "--email", "v@example.org", "--verified")
    made = portal.flask("keys", "create", "--email", "v@example.org", "--name", "k")
    secret = made.stdout.strip()
    assert predict(portal, secret).json()["version"] == 1

    portal.flask("models", "publish", "bundled/iris", "--title", "Iris, again")

    # The old version answers while a worker loads the new one, and no call fails.
    deadline = time.monotonic() + 5
    statuses, versions = set(), {1}
    with ThreadPoolExecutor(8) as pool:
        while versions != {2} and time.monotonic() < deadline:
            time.sleep(0.5)  # sixty calls a minute are allowed
            answers = list(pool.map(lambda _: predict(portal, secret), range(16)))
            statuses |= {answer.status_code for answer in answers} - BUSY
            versions = {a.json()["version"] for a in answers if a.status_code == 200}
    assert versions == {2}
    assert statuses == {200}
