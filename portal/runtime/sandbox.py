"""Runs one of our own modules in a child process with limits.

A small model file may ask for 40 GB or run for ever, so nothing strange is
loaded in a process that serves. The child has an empty working directory, since
onnxruntime would read external data from there, and none of the settings.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from portal.errors import Invalid

# Not from the settings' module: importing it takes a fifth of a child's start.
ROOT = Path(__file__).resolve().parents[2]
TIME_LIMIT_S = 60
MEMORY_LIMIT_BYTES = 8 * 1024**3


class FileRefused(Invalid):
    """A file that can't be served; the sentence says what to change."""


def run_apart(
    module: str, *arguments: str, name: str, stdin: bytes = b""
) -> dict[str, Any]:
    """Run *module* and return the JSON document that it prints.

    Args:
        module: Its dotted name; it calls `limit_resources` first, and writes to
            `open_report`.
        arguments: Its command line.
        name: What sentences call the file.
        stdin: What it reads.

    Raises:
        FileRefused: It took too long, or ended without a word; or its document
            is ``{"refusal": …}``.
    """
    with tempfile.TemporaryDirectory() as empty:
        try:
            child = subprocess.run(  # noqa: S603 - our own module, no shell
                [sys.executable, "-m", module, *arguments],
                cwd=empty,
                env=environment(),
                input=stdin,
                capture_output=True,
                timeout=TIME_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = "%(name)s was not done within %(limit)d seconds."
            raise FileRefused(message, name=name, limit=TIME_LIMIT_S) from None
    try:
        report: dict[str, Any] = json.loads(child.stdout)
    except ValueError:
        message = (
            "%(name)s made onnxruntime end by itself (exit status %(status)d); "
            "it may need more than %(limit)d GB of memory."
        )
        raise FileRefused(
            message,
            name=name,
            status=child.returncode,
            limit=MEMORY_LIMIT_BYTES // 1024**3,
        ) from None
    if "refusal" in report:
        raise FileRefused("%(name)s %(why)s", name=name, why=report["refusal"])
    return report


def environment() -> dict[str, str]:
    """Return the environment of a child: none of the settings.

    It finds its modules where this process does, since plug-ins may lie anywhere.
    """
    modules = os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])
    return {"PYTHONPATH": modules, "PATH": os.defpath}


def open_report() -> BinaryIO:
    """Return where a child writes its document.

    From now on what anything else prints, such as a line of the log or a word of
    native code, goes to standard error.
    """
    report = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return report


def limit_resources(memory_bytes: int = MEMORY_LIMIT_BYTES) -> None:
    """Limit memory and processor time of this process, for good."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (TIME_LIMIT_S, TIME_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
