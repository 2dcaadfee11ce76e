"""Brings what the spools hold into the sums, each record exactly once.

How far a file is drained is written in the transaction of the sums, and only if it
was still as far as it was read from: whoever else drained it meanwhile, whatever
kills this process, and whether the answer to a commit was lost, makes no difference.
"""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, insert, select, update

from portal.db import db, now
from portal.extensions import parts, quarantine_dir
from portal.spool import Batch, Orphan, adopt
from portal.usage import months
from portal.usage.adding import SPANS, add, sums
from portal.usage.recording import Record
from portal.usage.tables import SpoolOffset

log = structlog.get_logger(__name__)
_one_at_a_time = threading.Lock()


def drain() -> int:
    """Bring into the sums all that this process wrote down until now; commits.

    Returns:
        How many records.
    """
    spool, count = parts().spool, 0
    if spool.is_drained:
        return count
    with _one_at_a_time:
        for name in spool.files():
            while (batch := spool.read(name)).end > batch.offset:
                settled = _settle(name, spool.holder, batch)
                spool.mark_drained(name, settled.end)
                count += settled.records
        spool.rotate()
    return count


def drain_orphans() -> int:
    """Bring into the sums what dead processes left; commits.

    What they held of their users' months goes back.

    Returns:
        How many processes.
    """
    drained = _drain_orphans()
    for holder in drained:
        log.info("usage.orphan_drained", holder=holder)
    return len(drained)


def roll_up() -> int:
    """Bring into the sums what this process and dead ones wrote down; commits.

    What a process that lives wrote down, it drains itself within a second.

    Returns:
        How many records.
    """
    return drain() + sum(_drain_orphans().values())


def _drain_orphans() -> Mapping[str, int]:
    """Return how many records each process that died had left."""
    with adopt(parts().spool.folder) as orphans:
        return {orphan.holder: _drain_orphan(orphan) for orphan in orphans}


def _drain_orphan(orphan: Orphan) -> int:
    count = 0
    for path in orphan.paths:
        offset = _offset(path.name)
        while (batch := orphan.read(path, offset)).end > batch.offset:
            settled = _settle(path.name, orphan.holder, batch)
            offset = settled.end
            count += settled.records
    with db.engine.begin() as connection:
        months.release(connection, orphan.holder)
    orphan.remove()
    return count


class _Settled(NamedTuple):
    """How far a file is drained, in bytes, and how many records that took."""

    end: int
    records: int


def _settle(file: str, holder: str, batch: Batch) -> _Settled:
    """Add *batch*, and note that it is added, in one transaction."""
    with db.engine.begin() as connection:
        if not _advance(connection, file, batch):
            # An earlier try did it, whose answer was lost.
            return _Settled(_drained(connection, file), 0)
        records = _parse(file, batch)
        for table, span_s in SPANS:
            add(connection, table, sums(records, span_s))
        months.charge(connection, holder, records)
    return _Settled(batch.end, len(records))


def _offset(file: str) -> int:
    with db.engine.connect() as connection:
        return _drained(connection, file)


def _drained(connection: Connection, file: str) -> int:
    offset = select(SpoolOffset.offset).where(SpoolOffset.file == file)
    return connection.scalar(offset) or 0


def _advance(connection: Connection, file: str, batch: Batch) -> bool:
    """Note that *batch* is drained; return False if it isn't what comes next."""
    drained = _drained(connection, file)
    if drained != batch.offset:
        return False
    noted = {"offset": batch.end, "drained_at": now()}
    if drained == 0:
        # Of two at once, the second fails by the primary key, and tries again.
        connection.execute(insert(SpoolOffset).values(file=file, **noted))
        return True
    moved = connection.execute(
        update(SpoolOffset)
        .where(SpoolOffset.file == file, SpoolOffset.offset == batch.offset)
        .values(**noted)
    )
    return bool(moved.rowcount)


def _parse(file: str, batch: Batch) -> list[Record]:
    records, damaged = [], list(batch.damaged)
    for content in batch.records:
        try:
            records.append(Record.from_json(content))
        except (ValueError, TypeError):
            damaged.append(content + b"\n")
    if damaged:
        _set_apart(file, batch.offset, damaged)
    return records


def _set_apart(file: str, offset: int, damaged: Iterable[bytes]) -> None:
    """Keep what can't be read where the owner finds it: it may not stop the rest."""
    path = Path(quarantine_dir(parts().config), f"{file}.{offset}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(damaged))
    log.error("usage.records_damaged", file=file, offset=offset, kept_in=str(path))
