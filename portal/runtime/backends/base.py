"""What every backend has: the memory it needs, and a run."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from portal.runtime.deadline import Deadline


class Run(NamedTuple):
    """What a run gave, and how long its steps took.

    Attributes:
        outputs: Name → value, ready for JSON.
        steps_ms: Preprocess, inference, postprocess, in milliseconds. Of a run that
            calls shared, its share.
        waited_ms: For other calls, and for their shares, in milliseconds.
        joined: How many calls shared the run.
    """

    outputs: dict[str, Any]
    steps_ms: tuple[float, float, float]
    waited_ms: float = 0.0
    joined: int = 1


class Backend(Protocol):
    """Runs one version."""

    @property
    def memory_bytes(self) -> int:
        """What it needs, as far as can be told; at least the version's files."""

    def run(
        self,
        inputs: Mapping[str, Any],
        parameters: Mapping[str, Any],
        deadline: Deadline,
    ) -> Run:
        """Run the version once on values that fit its task's description.

        Raises:
            Invalid: The model refuses the values.
            RunTimedOut: It was not done by *deadline*.
            Unavailable: The model failed, as `portal.runtime.failures` says.
        """
