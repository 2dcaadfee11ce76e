"""Calling the API, and reading what was counted."""

import io

from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from portal.config import ROOT
from tests.counted import quota_used, records, statuses

__all__ = ["quota_used", "records", "statuses"]

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


def picture(
    kind: str = "PNG", size: tuple[int, int] = (64, 48), **options: object
) -> bytes:
    """Return a white picture as a file."""
    buffer = io.BytesIO()
    Image.new("RGB", size, "white").save(buffer, kind, **options)
    return buffer.getvalue()
