"""Calling `/v1`, by hand and with OpenAI's client."""

import httpx2
import numpy as np
from openai import OpenAI

from tests.api.calling import bearer

EMBEDDINGS = "/v1/embeddings"
# [CLS] good day [SEP] and [CLS] bad [SEP], of the length 1.
GOOD_DAY = np.array([3, 1, 2]) / np.sqrt(14)
BAD = np.array([1, 3, 0]) / np.sqrt(10)


def openai_client(base_url, secret, **options):
    """Return a client of the portal at *base_url*; close it."""
    return OpenAI(base_url=f"{base_url}/v1", api_key=secret, **options)


def inside(app):
    """Return what makes a client call *app* itself instead of a server."""
    return httpx2.Client(transport=httpx2.WSGITransport(app=app))


def embed(client, secret, text="good day", **keys):
    """Send a call that is answered, unless *keys* say otherwise."""
    document = {"model": "words", "input": text, **keys}
    return client.post(EMBEDDINGS, json=document, headers=bearer(secret))
