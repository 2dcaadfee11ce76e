"""What runs a loaded version: this process, one of its own, or another server."""

from portal.runtime.backends.base import Backend, Run
from portal.runtime.backends.in_process import InProcess
from portal.runtime.backends.isolated import Isolated
from portal.runtime.backends.open_inference import OpenInference

__all__ = ["Backend", "InProcess", "Isolated", "OpenInference", "Run"]
