"""Addresses of static files that change with their content.

`url_for("static", filename=…)` gets ``?v=`` and eight digits of the file's
SHA-256, so a browser may keep the file for a year.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask


def init_app(app: Flask) -> None:
    """Add the version of the content to every address of a static file."""
    folder = Path(app.static_folder or "")
    read = _version if app.debug else lru_cache(maxsize=512)(_version)

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "v" not in values and values.get("filename"):
            version = read(folder / str(values["filename"]))
            if version:
                values["v"] = version


def _version(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    except OSError:
        return ""
