"""What the tests of this room send and read."""

import re

from sqlalchemy import select

from portal import catalog
from portal.audit import AuditEvent
from portal.db import db
from tests.pages import csrf_token

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
CATS = "/admin/models/cats"
# Every change that the room offers, with fields that would make it.
DEEDS = [
    ("live-version", {"version": 1, "live": 3}),
    ("rollback", {"live": 3}),
    ("withdrawal", {}),
    ("restoration", {}),
    ("visibility", {"visibility": "unlisted"}),
]


def names(page):
    """Return the names of the models that a list shows."""
    return re.findall(r'href="/admin/models/([a-z0-9-]+)"', page.text)


def send(browser, path, headers=None, **fields):
    """Send a form; its token is the browser's, so that of any page will do."""
    token = csrf_token(browser, "/account")
    return browser.post(path, data={"csrf_token": token, **fields}, headers=headers)


def stored():
    """Return `cats` as it is in the database."""
    db.session.rollback()
    db.session.expire_all()
    return catalog.find_any("cats")


def audited(action):
    """Return the subject, the actor and the details of each such event."""
    db.session.rollback()
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.action == action))
    return [(e.subject, e.actor_id, e.details) for e in events]


def predict(app, secret):
    """Call `cats`; return the status and the version that answered."""
    path = "/api/v1/models/cats/predict"
    document = {"inputs": {"x": [[1, 2]]}}
    answer = app.test_client().post(path, json=document, headers={"X-API-Key": secret})
    return answer.status_code, answer.json.get("version")
