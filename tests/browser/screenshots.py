"""Takes the pictures of the pages for the README: `make screenshots`.

Starts a portal of its own, makes its owner, makes a key and a few calls with it,
adds calls of the days before, and photographs the pages in Chromium, light and dark.
Keys and times are those of that portal, which is gone afterwards.
"""

import io
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from portal import accounts
from portal.app import create_app
from tests.conftest import make_config
from tests.counted import add_calls
from tests.servers import CHROMIUM_ARGS, Portal, chromium_path

IMG = Path(__file__).resolve().parent.parent.parent / "docs" / "img"
# What the pages show as their own address, whichever port is really used.
SHOWN_URL = "http://127.0.0.1:8000"
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
EMAIL = "ada@example.org"
PASSWORD = "seven wonderful otters"
SETUP_PATH = re.compile(r"make yourself its owner here: http://[^/]+(/setup/\S+)")
SECRET = re.compile(r"mp_[0-9A-Za-z]{38}")
IRIS = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}
CALLS = 7
# Answered calls and errors of the days before, yesterday first.
PAST = (
    *((31, 2), (24, 0), (3, 0), (0, 0), (27, 1), (38, 6), (22, 0), (29, 0)),
    *((17, 0), (2, 0), (5, 0), (26, 3), (19, 0), (23, 0), (12, 1), (0, 0)),
)
LOG_LIMIT_S = 10
COLOURS = 256
MAX_BYTES = 150_000


def main() -> None:
    """Take every picture."""
    with Portal.embedded(PORTAL_BASE_URL=SHOWN_URL) as portal, _chromium() as browser:
        owner = _set_up(browser, portal)
        _add_past_calls(portal)
        for scheme in ("light", "dark"):
            suffix = "" if scheme == "light" else "-dark"
            with _context(browser, scheme) as visitor:
                page = _open(visitor, portal, "/")
                _take(page, f"gallery{suffix}")
            with _context(browser, scheme, owner) as logged_in:
                page = _run_ocr(logged_in, portal)
                _take(page, f"playground{suffix}")
                page = _make_key(logged_in, portal)
                _take(page, f"keys{suffix}")
                _call(portal, SECRET.search(page.inner_text("#new-key")).group())
                _take(_open(logged_in, portal, "/usage"), f"usage{suffix}")
                _take(_open(logged_in, portal, "/docs"), f"docs{suffix}")
        with _context(browser, "light", owner, viewport=PHONE) as logged_in:
            page = _run_ocr(logged_in, portal)
            _take(page, "playground-phone", place="#result")


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=CHROMIUM_ARGS
        )
        yield browser
        browser.close()


@contextmanager
def _context(
    browser: Browser, scheme: str, cookies: list | None = None, viewport: dict = DESK
) -> Iterator[BrowserContext]:
    context = browser.new_context(
        color_scheme=scheme, viewport=viewport, reduced_motion="reduce", locale="en"
    )
    context.add_cookies(cookies or [])
    yield context
    context.close()


def _set_up(browser: Browser, portal: Portal) -> list:
    """Make the first owner through the link in the log; return their cookies."""
    with _context(browser, "light") as context:
        page = _open(context, portal, _setup_path(portal))
        page.fill("[name=email]", EMAIL)
        page.fill("[name=password]", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_selector(".top-bar summary")
        # The notice of this page is shown once: to nobody's picture.
        _open(context, portal, "/account")
        return context.cookies()


def _setup_path(portal: Portal) -> str:
    """Wait for the link: the log gives it a moment after the portal answers."""
    deadline = time.monotonic() + LOG_LIMIT_S
    while not (found := SETUP_PATH.search(portal.log_text())):
        assert time.monotonic() < deadline, portal.log_text()
        time.sleep(0.1)
    return found.group(1)


def _add_past_calls(portal: Portal) -> None:
    today = datetime.now(UTC).date()
    with create_app(make_config(portal.data_dir)).app_context():
        owner = accounts.find_by_email(EMAIL)
        for ago, (answered, errors) in enumerate(PAST, start=1):
            add_calls(owner, today - timedelta(days=ago), {200: answered, 422: errors})


def _run_ocr(context: BrowserContext, portal: Portal) -> Page:
    """Run the model on its example; return the page with the answer."""
    page = _open(context, portal, "/models/ocr?example=1")
    with page.expect_response(lambda r: r.url.endswith("/predictions")) as answer:
        page.click("main form button[type=submit]")
    assert answer.value.ok
    page.wait_for_selector("#result .timings")
    page.wait_for_load_state("networkidle")
    return page


def _make_key(context: BrowserContext, portal: Portal) -> Page:
    page = _open(context, portal, "/keys")
    page.fill("[name=name]", "laptop")
    page.click("#new_key button[type=submit]")
    page.wait_for_selector("#new-key")
    return page


def _call(portal: Portal, secret: str) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    for _ in range(CALLS):
        requests.post(
            f"{portal.base_url}/api/v1/models/iris/predict",
            json=IRIS,
            headers=headers,
            timeout=30,
        ).raise_for_status()


def _open(context: BrowserContext, portal: Portal, path: str) -> Page:
    page = context.pages[0] if context.pages else context.new_page()
    page.goto(portal.base_url + path, wait_until="networkidle")
    return page


def _take(page: Page, name: str, *, place: str = "html") -> None:
    """Write the picture *name* of the window with *place* at its top."""
    page.evaluate("document.activeElement?.blur()")
    page.evaluate("place => document.querySelector(place).scrollIntoView()", place)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    path = IMG / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)
    size = path.stat().st_size
    assert size <= MAX_BYTES, f"{path.name} has {size} bytes"
    sys.stdout.write(f"{path.name} {size // 1000} kB\n")


if __name__ == "__main__":
    main()
