"""What every slice relies on when it writes."""

import pytest
from flask import Flask

from portal import audit
from portal.audit import AuditEvent
from portal.db import db, exclusive


@pytest.mark.parametrize("name", ["app", "pg_app"])
def test_what_is_not_written_yet_does_not_stand_against_being_exclusive(
    name: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(name)
    audit.record("key.issued", subject="key:1")

    exclusive("owners")
    exclusive("again")
    db.session.commit()

    assert db.session.query(AuditEvent).count() == 1


def test_being_exclusive_keeps_other_writers_out(app: Flask) -> None:
    audit.record("key.issued", subject="key:1")

    exclusive("owners")

    other = db.engine.raw_connection()
    other.execute("PRAGMA busy_timeout = 0")
    with pytest.raises(Exception, match="database is locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
