"""Prepare the static files for nginx: compress text, and list every version.

    python prepare_static.py SOURCE TARGET

TARGET gets ``static/``, with a ``.gz`` beside each text that it makes smaller, and
``versions.map``: the addresses that may be kept for a year. They are those that
`portal/web/static_files.py` writes into the pages, so a page of another release
never has a file kept under a version which that file isn't.
"""

# ruff: noqa: INP001 - a program of the image, in no package
import gzip
import hashlib
import shutil
import sys
from pathlib import Path

TEXT = frozenset({".css", ".js", ".json", ".svg", ".txt"})
VERSION_DIGITS = 8
KEPT = '"public, max-age=31536000, immutable"'


def main(source: Path, target: Path) -> None:
    """Copy *source* into *target*, prepared."""
    files = target / "static"
    shutil.copytree(source, files, dirs_exist_ok=True)
    lines = []
    for path in sorted(p for p in files.rglob("*") if p.is_file()):
        content = path.read_bytes()
        version = hashlib.sha256(content).hexdigest()[:VERSION_DIGITS]
        address = f"/static/{path.relative_to(files).as_posix()}?v={version}"
        lines.append(f'"{address}" {KEPT};\n')
        _compress(path, content)
    (target / "versions.map").write_text("".join(lines))


def _compress(path: Path, content: bytes) -> None:
    compressed = gzip.compress(content, mtime=0)
    if path.suffix in TEXT and len(compressed) < len(content):
        path.with_name(f"{path.name}.gz").write_bytes(compressed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
