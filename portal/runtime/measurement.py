"""What a version takes of this machine, and how many calls of it are safe."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from portal.runtime.histogram import Duration

# Processor time of a call besides its run: key, limits, counting, HTTP. As
# `bench/RESULTS.md` has it of the smallest model, in "CPU µs per call".
PORTAL_CPU_MS = 2.0
# Of what the cores can give: the nearer to all of it, the longer calls wait.
SAFE_SHARE = 0.8
DIGITS = 4


@dataclass(frozen=True)
class BatchingTrial:
    """What joining calls into one run was found to give, for a version that asks.

    Attributes:
        is_on: Whether its calls are joined from now on.
        why_not: The reason if not, in words.
        joined: How many calls shared a run; 0 if that could not be measured.
        joint_ms: How long a joint run took, in milliseconds.
        alone_per_s: Calls a second that a web process gives when each runs alone.
        joined_per_s: Calls a second that it gives when they are joined.
    """

    is_on: bool
    why_not: str = ""
    joined: int = 0
    joint_ms: float = 0.0
    alone_per_s: float = 0.0
    joined_per_s: float = 0.0


@dataclass(frozen=True)
class Measurement:
    """What a version takes of this machine.

    Attributes:
        load_ms: How long loading took, in milliseconds.
        memory_bytes: What the process that measured grew by, runs included.
        runs: How many were measured.
        run_ms: What a run takes of a core, in milliseconds: its processor time, or
            if a device beside the processor may compute, at least its duration.
        durations: Of each step of a run (`portal.runtime.statistics.STEPS`).
        cores: How many may run it at the same time.
        machine: What was measured on, in words.
        has_example: Whether the version's own example was run, not made-up values.
        batching: Whether joining calls pays; None if the version doesn't ask.
    """

    load_ms: float
    memory_bytes: int
    runs: int
    run_ms: float
    durations: Mapping[str, Duration]
    cores: int
    machine: str
    has_example: bool
    batching: BatchingTrial | None = None

    @property
    def safe_per_s(self) -> float:
        """How many calls a second the machine takes before they begin to wait.

        That is what its cores can give if each call takes a run and what the portal
        itself needs, less a fifth.
        """
        return SAFE_SHARE * self.cores * 1000 / (self.run_ms + PORTAL_CPU_MS)

    @property
    def answer_ms(self) -> float:
        """What half of the runs took at most, in milliseconds."""
        return self.durations["total"].p50_ms

    def to_json(self) -> dict[str, Any]:
        """Return the measurement for the database."""
        return {name: _rounded(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Return the measurement that `to_json` wrote."""
        durations = {
            step: Duration(**duration)
            for step, duration in document["durations"].items()
        }
        batching = document.get("batching")
        return cls(
            **{
                **document,
                "durations": durations,
                "batching": BatchingTrial(**batching) if batching else None,
            }
        )


def _rounded(value: Any) -> Any:  # noqa: ANN401 - what `asdict` gives
    """Return *value* without digits that nobody measured."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value
