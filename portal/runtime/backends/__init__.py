"""What runs a loaded version: this process, or one of its own."""

from portal.runtime.backends.base import Backend, Run
from portal.runtime.backends.in_process import InProcess
from portal.runtime.backends.isolated import Isolated

__all__ = ["Backend", "InProcess", "Isolated", "Run"]
