"""What was measured of a version, in lines of text."""

from portal.runtime import PORTAL_CPU_MS, SAFE_SHARE, BatchingTrial, Measurement, Tally

STEPS = ("preprocess", "inference", "postprocess")
MIB = 2**20
WHOLE = 10  # from here on digits after the point say nothing


def lines(measured: Measurement, *, indent: int = 0) -> list[str]:
    """Return what a person is to know of *measured*, line by line."""
    total = measured.durations["total"]
    of = "the first example" if measured.has_example else "made-up values"
    steps = (f"{step} {_ms(measured.durations[step].p50_ms)}" for step in STEPS)
    run = f"a run takes {_ms(total.p50_ms)}"
    slow = f"95 %: {_ms(total.p95_ms)}, 99 %: {_ms(total.p99_ms)}"
    memory = f"memory {measured.memory_bytes / MIB:.0f} MiB"
    safe = f"safe: {_per_s(measured.safe_per_s)} calls a second"
    share = f"{SAFE_SHARE * 100:.0f} % of {measured.cores} core(s)"
    each = f"{_ms(measured.run_ms)} of one, and {_ms(PORTAL_CPU_MS)} besides"
    told = (
        f"{run} ({slow}); runs: {measured.runs}, of {of}",
        f"of that {', '.join(steps)}",
        f"loaded in {_ms(measured.load_ms)}, {memory}",
        f"{safe}, that is {share}, each call taking {each}",
        *_batching_lines(measured.batching),
        f"on {measured.machine}",
    )
    return [" " * indent + line for line in told]


def lately_line(tally: Tally, *, indent: int = 0) -> str:
    """Return what calls took in the last hour."""
    total, queue = tally.durations["total"], tally.durations["queue"]
    return " " * indent + (
        f"in the last hour {tally.calls} call(s): {_ms(total.p50_ms)} "
        f"(95 %: {_ms(total.p95_ms)}, 99 %: {_ms(total.p99_ms)}), "
        f"of that queue {_ms(queue.p50_ms)} (99 %: {_ms(queue.p99_ms)})"
    )


def batching_words(trial: BatchingTrial) -> str:
    """Return whether calls are joined, and why."""
    state = "on" if trial.is_on else f"off, since {trial.why_not}"
    if not trial.joined:
        return state
    return (
        f"{state} (alone {_per_s(trial.alone_per_s)} calls a second of a web process, "
        f"{trial.joined} joined {_per_s(trial.joined_per_s)}, a joint run takes "
        f"{_ms(trial.joint_ms)})"
    )


def _batching_lines(trial: BatchingTrial | None) -> list[str]:
    return [f"batching: {batching_words(trial)}"] if trial else []


def _ms(value: float) -> str:
    """Write milliseconds with two or three digits that mean something."""
    return f"{value:.0f} ms" if value >= WHOLE else f"{value:.2g} ms"


def _per_s(value: float) -> str:
    return f"{value:.0f}" if value >= WHOLE else f"{value:.1f}"
