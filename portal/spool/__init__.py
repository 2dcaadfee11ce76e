"""Spools: what a process did, written down before it is told to anybody."""

from portal.spool.errors import SpoolUnwritable
from portal.spool.lines import Batch, line_of, read_lines
from portal.spool.orphans import Orphan, adopt
from portal.spool.spool import Spool

__all__ = [
    "Batch",
    "Orphan",
    "Spool",
    "SpoolUnwritable",
    "adopt",
    "line_of",
    "read_lines",
]
