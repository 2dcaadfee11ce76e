"""Static files: addresses that change with their content, and small answers.

`url_for("static", filename=…)` gets ``?v=`` and eight digits of the file's
SHA-256. A file that is asked for by the version it has may be kept for a year;
one without, or with another's, is asked for again each time.

Text is compressed once, when it is first asked for, and kept in memory. With gzip
alone: from another machine browsers take brotli over TLS only, and there a proxy
serves these files. Pages are never compressed: they hold form tokens beside what
the reader typed (BREACH).
"""

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from werkzeug.security import safe_join

from portal.errors import NotFound

YEAR_S = 31536000
DAY_S = 86400
VERSION_DIGITS = 8
BYTES = "application/octet-stream"
TEXT = frozenset({".css", ".js", ".json", ".svg", ".txt"})
# A style sheet imports a vendored one by its path, which names a version but can't
# carry the digest.
VENDORED = re.compile(r"vendor/[^/]+-[0-9.]+/")
MANY = 512  # more files than there are, and in development a few states of each


@dataclass(frozen=True)
class StaticFile:
    """A file as it was read.

    Attributes:
        content: its bytes.
        digest: their SHA-256, in hexadecimal digits.
        is_text: whether it may be compressed, so that its answers vary.
    """

    content: bytes
    digest: str
    is_text: bool

    @property
    def version(self) -> str:
        """What stands after ``?v=`` in the file's address."""
        return self.digest[:VERSION_DIGITS]

    @cached_property
    def compressed(self) -> bytes | None:
        """The content through gzip; None if it is no text or gets no smaller."""
        if not self.is_text:
            return None
        # Without a time inside, every process makes the same bytes.
        compressed = gzip.compress(self.content, mtime=0)
        return compressed if len(compressed) < len(self.content) else None


def init_app(app: Flask) -> None:
    """Answer for the static folder, and version every address in it."""
    folder = str(app.static_folder)

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "v" not in values and values.get("filename"):
            file = _find(folder, str(values["filename"]))
            if file:
                values["v"] = file.version

    def send(filename: str) -> Response:
        file = _find(folder, filename)
        if file is None:
            raise NotFound("There is nothing at this address.")
        return _answer(file, filename)

    app.view_functions["static"] = send


def _find(folder: str, name: str) -> StaticFile | None:
    """Return the file *name* of *folder* as it is now; None if there is none."""
    path = safe_join(folder, name)
    if path is None:
        return None
    try:
        stat = Path(path).stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, ValueError):  # a NUL byte in the name is a ValueError
        return None


@lru_cache(maxsize=MANY)
def _read(path: str, _mtime_ns: int, _size_bytes: int) -> StaticFile:
    """Read a file; under a new time or size it is read anew."""
    content = Path(path).read_bytes()
    return StaticFile(
        content,
        digest=hashlib.sha256(content).hexdigest(),
        is_text=Path(path).suffix in TEXT,
    )


def _answer(file: StaticFile, name: str) -> Response:
    """Answer with what of *file* the reader takes and does not have yet."""
    body, etag = file.content, file.digest
    response = Response(mimetype=mimetypes.guess_type(name)[0] or BYTES)
    if file.compressed and _wants_gzip():
        body, etag = file.compressed, f"{file.digest}-gzip"
        response.headers["Content-Encoding"] = "gzip"
    response.set_data(body)
    response.set_etag(etag)
    if file.is_text:
        response.vary.add("Accept-Encoding")
    _say_how_long_to_keep(response, file, name)
    response.accept_ranges = "bytes"
    is_get = request.method == "GET"  # the only one that a range is defined for
    response.make_conditional(request, accept_ranges=is_get, complete_length=len(body))
    return response


def _wants_gzip() -> bool:
    """Whether the reader takes gzip, and likes the bare bytes no better.

    A part of a compressed file can't be read alone, so who asks for a part gets it
    of the bare bytes.
    """
    accepted = request.accept_encodings
    wanted = accepted.quality("gzip")
    is_liked = wanted > 0 and wanted >= accepted.quality("identity")
    return is_liked and "Range" not in request.headers


def _say_how_long_to_keep(response: Response, file: StaticFile, name: str) -> None:
    asked = request.args.get("v")
    if asked == file.version:
        response.cache_control.public = True
        response.cache_control.max_age = YEAR_S
        response.cache_control.immutable = True
    elif asked is None and VENDORED.match(name):
        response.cache_control.public = True
        response.cache_control.max_age = DAY_S
    else:
        response.cache_control.no_cache = True
