"""A real Chromium in front of a real, embedded portal with a real SMTP server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    expect,
    sync_playwright,
)

from tests.published import copy_store, published
from tests.servers import CHROMIUM_ARGS, Portal, SmtpSink, chromium_path

__all__ = ["published"]
TIMEOUT_MS = 20_000  # reading a page of text takes seconds on a busy machine
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="package")
def smtp() -> Iterator[SmtpSink]:
    """Return an SMTP server that keeps what it gets."""
    with SmtpSink() as sink:
        yield sink


@pytest.fixture(scope="package")
def portal(smtp: SmtpSink, published: Path) -> Iterator[Portal]:
    """Return the portal as `make run` starts it, its models published before."""
    portal = Portal.embedded(
        PORTAL_SMTP_URLS=smtp.url, PORTAL_ANONYMOUS_RATE="30/minute"
    )
    copy_store(published, portal.data_dir)
    with portal:
        yield portal


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Return a running Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=CHROMIUM_ARGS
        )
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, portal: Portal) -> Iterator[BrowserContext]:
    """Return a browser profile that knows nothing yet."""
    context = chromium.new_context(
        base_url=portal.base_url, viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, portal: Portal) -> Iterator[Page]:
    """Return a tab; the test fails if it asks a third party or breaks a rule."""
    page = context.new_page()
    strangers: list[str] = []
    complaints: list[str] = []
    page.on(
        "request",
        lambda request: (
            strangers.append(request.url)
            if not request.url.startswith((portal.base_url, "data:", "blob:"))
            else None
        ),
    )
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type == "error" and "status of 4" not in message.text
            else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert not strangers
    assert not complaints
