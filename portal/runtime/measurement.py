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
    """

    load_ms: float
    memory_bytes: int
    runs: int
    run_ms: float
    durations: Mapping[str, Duration]
    cores: int
    machine: str
    has_example: bool

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
        return cls(**{**document, "durations": durations})


def _rounded(value: Any) -> Any:  # noqa: ANN401 - what `asdict` gives
    """Return *value* without digits that nobody measured."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value
