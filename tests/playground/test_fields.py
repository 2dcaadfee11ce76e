"""The fields of a document, on the page and from the API."""

import io
import re

import pytest

from portal.catalog import bundled
from tests.api.calling import bearer
from tests.factories import make_key, make_user
from tests.pages import csrf_token

pytestmark = pytest.mark.slow

SPECIMEN = bundled.FOLDER / "mrz" / "examples" / "straight.jpg"


def run(client, **fields):
    fields["csrf_token"] = csrf_token(client, "/models/mrz")
    return client.post(
        "/models/mrz/predictions", data=fields, content_type="multipart/form-data"
    )


def rows(page):
    """Return title → value and verdict, as the page shows them."""
    found = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page.text, re.DOTALL)
    plain = {title: re.sub(r"<[^>]*>", " ", row).split() for title, row in found}
    return {title: " ".join(words) for title, words in plain.items()}


def test_the_page_shows_each_field_and_what_its_check_digit_says(client):
    page = run(client, example="1", postprocess="true")

    assert page.status_code == 200
    shown = rows(page)
    assert shown["Surname"] == "ERIKSSON"
    assert shown["Document number"] == "L898902C3 check digit right"
    assert shown["Date of birth"] == "1974-08-12 check digit right"
    assert page.text.count("verdict--good") == 5
    assert "verdict--bad" not in page.text


def test_the_page_of_a_raw_reading_says_that_there_are_no_fields(client):
    page = run(client, example="1", postprocess="false")

    assert "Surname" not in rows(page)
    assert "No fields were found." in page.text
    assert "P&lt;UT" in page.text


def test_the_api_gives_value_verdict_and_title(client):
    _, secret = make_key(make_user("ada@example.org"))

    answer = client.post(
        "/api/v1/models/mrz/predict",
        data={"image": (io.BytesIO(SPECIMEN.read_bytes()), "id.jpg")},
        content_type="multipart/form-data",
        headers=bearer(secret),
    )

    assert answer.status_code == 200
    outputs = answer.json["outputs"]
    assert len(outputs["lines"]) == 2
    number = {"value": "L898902C3", "valid": True, "title": "Document number"}
    assert outputs["fields"]["document_number"] == number
    assert outputs["fields"]["surname"]["valid"] is None
