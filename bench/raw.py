"""The model alone, without any server: `python -m bench.raw FILE SECONDS`.

What it can do at most is measured in a process per core, its own time in one.
"""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

DTYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
GRACE_S = 30


@dataclass(frozen=True)
class Raw:
    """Runs per second of all processes, and the time of one run."""

    per_s: float
    p50_ms: float


def measure(model: Path, *, processes: int, seconds: float) -> Raw:
    """Run *model* in so many *processes* at once."""
    command = [sys.executable, "-m", "bench.raw", str(model), str(seconds)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    said = [
        json.loads(process.communicate(timeout=seconds + GRACE_S)[0])
        for process in running
    ]
    return Raw(
        sum(one["per_s"] for one in said),
        statistics.median(one["p50_ms"] for one in said),
    )


def _run(path: str, seconds: float) -> Raw:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (spec,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]
    x = np.ones(shape, DTYPES[spec.type])
    session.run(["y"], {"x": x})
    times_s = []
    began = last = time.perf_counter()
    while last - began < seconds:
        session.run(["y"], {"x": x})
        now = time.perf_counter()
        times_s.append(now - last)
        last = now
    return Raw(len(times_s) / (last - began), statistics.median(times_s) * 1000)


if __name__ == "__main__":
    raw = _run(sys.argv[1], float(sys.argv[2]))
    print(json.dumps({"per_s": raw.per_s, "p50_ms": raw.p50_ms}))  # noqa: T201 - the answer
