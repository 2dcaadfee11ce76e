"""onnxruntime reports to nobody, and starts nothing of its own."""

import os
import subprocess
import sys

from portal.config import ROOT

LOAD = """
import os
import portal.runtime
import onnxruntime
print(len(os.listdir("/proc/self/task")))
"""


def test_onnxruntime_tells_its_maker_nothing(tmp_path):
    # In a CI job onnxruntime is silent by itself.
    environ = {key: value for key, value in os.environ.items() if key != "CI"}
    for name in ("ORT_DISABLE_TELEMETRY", "OPENBLAS_NUM_THREADS"):
        environ.pop(name, None)

    loading = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=ROOT,
        env={**environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert loading.stdout.strip() == "1", "the thread that reports was started"
    assert list(tmp_path.iterdir()) == [], "the identifier it reports was kept"
