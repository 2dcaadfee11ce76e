"""What a process and its children use, out of /proc."""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """Return *pid* and all that descend from it."""
    found = [pid]
    for parent in found:
        for children in PROC.glob(f"{parent}/task/*/children"):
            found += map(int, _read(children).split())
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Return the processor time of the trees of *pids*, ended children included."""
    ticks = 0
    for pid in (one for root in pids for one in tree(root)):
        # The name, in brackets, may hold blanks.
        fields = _read(PROC / f"{pid}/stat").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS_PER_S


def pss_mib(pid: int) -> float:
    """Return the memory of the tree of *pid*; what is shared counts once."""
    kib = 0
    for one in tree(pid):
        for line in _read(PROC / f"{one}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                kib += int(line.split()[1])
    return kib / 1024


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # It has ended meanwhile.
        return ""
