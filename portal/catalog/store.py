"""The model files: each stored once, named by its own SHA-256."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from portal.errors import Unavailable

PIECE_BYTES = 1024 * 1024


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def add(folder: Path, source: Path, sha256: str) -> None:
    """Copy *source* into the store, whole or not at all."""
    target = path_of(folder, sha256)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = NamedTemporaryFile(dir=target.parent, prefix=".", delete=False)  # noqa: SIM115 - closed below
    try:
        with source.open("rb") as file, draft:
            shutil.copyfileobj(file, draft, PIECE_BYTES)
            draft.flush()
            os.fsync(draft.fileno())
        Path(draft.name).chmod(0o644)
        Path(draft.name).replace(target)
    except OSError as error:
        with suppress(OSError):
            Path(draft.name).unlink()
        message = "The model store can't be written: %(why)s."
        raise Unavailable(message, why=error.strerror) from error


def path_of(folder: Path, sha256: str) -> Path:
    """Return where the file with that digest lies."""
    return folder / sha256[:2] / sha256


def entry(path: Path, name: str) -> dict[str, Any]:
    """Return how a manifest names a file: name, size in bytes, SHA-256."""
    return {
        "name": name,
        "size_bytes": path.stat().st_size,
        "sha256": digest_of(path),
    }
