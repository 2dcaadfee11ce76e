"""The browser on this machine, for the tests of the pages."""

import shutil
from pathlib import Path

from ._process import ServerFailed

BROWSERS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    """Return the path of an installed Chromium or Chrome."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    downloads = Path.home() / ".cache/ms-playwright"
    if found := sorted(downloads.glob("chromium-*/chrome-linux*/chrome")):
        return str(found[-1])
    message = "There is no Chromium here; scripts/setup tests installs one."
    raise ServerFailed(message)
