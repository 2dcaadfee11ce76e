"""What all peers do alike: one session per worker, lists in, lists out."""

import os
from typing import Any

import numpy as np
import onnxruntime as ort

DTYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


class Model:
    """The model of BENCH_MODEL, run with the session options of the portal."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False
        self._session = ort.InferenceSession(
            os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self._dtype = DTYPES[self._session.get_inputs()[0].type]

    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Run the model on nested lists."""
        x = np.array(inputs["x"], self._dtype)
        return {"outputs": {"y": self._session.run(["y"], {"x": x})[0].tolist()}}
