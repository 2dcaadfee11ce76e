"""Runs a graph on what a caller sent."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from portal.errors import Invalid, PortalError
from portal.runtime.failures import OutOfMemory, is_out_of_memory

if TYPE_CHECKING:
    import numpy as np


def run(
    session: ort.InferenceSession,
    outputs: Sequence[str],
    tensors: "Mapping[str, np.ndarray[Any, Any]]",
) -> "list[np.ndarray[Any, Any]]":
    """Return the *outputs* of the graph, in their order.

    Raises:
        Invalid: The model itself refuses the tensors (sizes that must agree
            with each other, an index out of range).
        OutOfMemory: It asks for more memory than there is.
        Unavailable, TimedOut: Of a remote model, which says so itself.
    """
    try:
        found: list[np.ndarray[Any, Any]] = session.run(list(outputs), dict(tensors))
    except PortalError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory from error
        # onnxruntime's errors have no class that tells whose fault it was; a
        # model that loaded and fails on one input was given a wrong one.
        why = " ".join(str(error).split())[:200]
        message = "The model could not run on this input: %(why)s"
        raise Invalid(message, "/inputs", why=why) from error
    return found
