"""Sums of calls, what they are of, and how they are added up."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from operator import add
from typing import TypeVar

from portal.usage.histogram import BUCKETS, quantile

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, order=True)
class Label:
    """What a sum is of.

    Attributes:
        text: A day or an hour (ISO), or the name of a model or key.
        prefix: Of a key: it tells keys of the same name apart.
        is_named: False when the text is a word of ours, which pages translate.
    """

    text: str
    prefix: str = ""
    is_named: bool = True

    @property
    def detail(self) -> str:
        """The prefix as lists show it."""
        return f"mp_{self.prefix}…" if self.prefix else ""

    @property
    def choice(self) -> str:
        """What stands for it in an address; no two have the same."""
        if not self.is_named:
            # No model or prefix begins so.
            return f"_{self.text}"
        return self.prefix or self.text


PLAYGROUND = Label("playground", is_named=False)
DELETED = Label("deleted", is_named=False)
UNKNOWN = Label("unknown", is_named=False)


@dataclass(frozen=True)
class UsageSum:
    """The sum of some calls.

    Attributes:
        errors: Of the calls, those answered with a status of 400 or more.
        playground: Of the calls, those made on a model's page.
        compute_ms: Computing time of all, in milliseconds.
        latencies: How many took how long, in the buckets of `portal.usage.histogram`.
    """

    calls: int = 0
    errors: int = 0
    playground: int = 0
    compute_ms: float = 0
    latencies: tuple[int, ...] = (0,) * len(BUCKETS)

    @property
    def answered(self) -> int:
        """Of the calls, those that were no errors."""
        return self.calls - self.errors

    @property
    def api(self) -> int:
        """Of the calls, those made with a key."""
        return self.calls - self.playground

    @property
    def p50_ms(self) -> float:
        """What half of the calls took at most, in milliseconds."""
        return quantile(self.latencies, 0.5)

    @property
    def p95_ms(self) -> float:
        """What 95 % of the calls took at most, in milliseconds."""
        return quantile(self.latencies, 0.95)

    @property
    def p99_ms(self) -> float:
        """What 99 % of the calls took at most, in milliseconds."""
        return quantile(self.latencies, 0.99)


@dataclass(frozen=True)
class UsageRow:
    """One line of a table: a label and its sum."""

    label: Label
    sum: UsageSum


@dataclass(frozen=True)
class Cell:
    """The sum of one day, model and key."""

    day: Label
    model: Label
    key: Label
    sum: UsageSum


def total(sums: Iterable[UsageSum]) -> UsageSum:
    """Return the sum of *sums*."""
    calls = errors = playground = 0
    compute_ms, latencies = 0.0, [0] * len(BUCKETS)
    for one in sums:
        calls += one.calls
        errors += one.errors
        playground += one.playground
        compute_ms += one.compute_ms
        latencies = list(map(add, latencies, one.latencies))
    return UsageSum(calls, errors, playground, compute_ms, tuple(latencies))


def fold(found: Iterable[tuple[K, UsageSum]]) -> Mapping[K, UsageSum]:
    """Return the sum of all that is *found* for the same thing."""
    sums: dict[K, list[UsageSum]] = defaultdict(list)
    for key, one in found:
        sums[key].append(one)
    return {key: total(several) for key, several in sums.items()}
