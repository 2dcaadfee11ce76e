"""Calling the API, and reading what was counted."""

import io
from collections.abc import Sequence

from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal import usage
from portal.accounts import User
from portal.config import ROOT
from portal.db import db
from portal.usage import UsageRecord

IRIS = "/api/v1/models/iris/predict"
OCR = "/api/v1/models/ocr/predict"
FILE_TYPE = "/api/v1/models/file-type/predict"
SETOSA = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}
RECEIPT = ROOT / "bundled/ocr/examples/receipt.png"


def bearer(secret: str) -> dict[str, str]:
    """Return the header that sends *secret*."""
    return {"Authorization": f"Bearer {secret}"}


def predict_iris(client: FlaskClient, secret: str) -> TestResponse:
    """Send a call that is answered."""
    return client.post(IRIS, json=SETOSA, headers=bearer(secret))


def records() -> Sequence[UsageRecord]:
    """Return every usage record, oldest first, as others see them now."""
    db.session.rollback()
    return db.session.scalars(select(UsageRecord).order_by(UsageRecord.id)).all()


def statuses() -> list[int]:
    """Return the status of every usage record, oldest first."""
    return [record.status for record in records()]


def quota_used(user: User) -> int:
    """Return how many predictions of the month *user* has used."""
    db.session.rollback()
    return usage.quota(user.id).used


def picture(
    kind: str = "PNG", size: tuple[int, int] = (64, 48), **options: object
) -> bytes:
    """Return a white picture as a file."""
    buffer = io.BytesIO()
    Image.new("RGB", size, "white").save(buffer, kind, **options)
    return buffer.getvalue()
