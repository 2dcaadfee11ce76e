"""What onnxruntime computes on: the processor, or what is beside it."""

import onnxruntime as ort
import structlog

CPU = "cpu"
NAMES = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "dnnl": "DnnlExecutionProvider",
    CPU: "CPUExecutionProvider",
}
log = structlog.get_logger(__name__)


def usable(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of *wanted* that this onnxruntime has, and the processor last.

    The wheel that the portal installs has the processor only; others, such as
    ``onnxruntime-gpu``, take its place and bring more.
    """
    there = set(ort.get_available_providers())
    missing = [name for name in wanted if NAMES[name] not in there]
    if missing:
        log.warning("providers.missing", names=missing)
    found = [name for name in wanted if name not in missing and name != CPU]
    return (*dict.fromkeys(found), CPU)
