"""`GET /models/<name>`: the form made from the declaration, and an example."""

import re
from types import SimpleNamespace

import pytest

from portal import catalog, extensions
from portal.config import ROOT
from portal.db import db
from portal.runtime import STEPS, Statistics
from tests.factories import log_in, make_user
from tests.measured import keep_measurement
from tests.published import publish_iris

CARD = """\
# A heading

A | B
--|--
1 | 2

<script>alert(1)</script>
<img src=x onerror=alert(2)>

[a link](javascript:alert(3)) and [a good one](https://example.org)
![a picture](https://tracker.example/x.png)
<div hx-get="/logout" hx-trigger="load">x</div>
"""


def control(page, name):
    found = re.search(rf'<(?:input|textarea|select)[^>]*name="{name}"[^>]*>', page.text)
    assert found, f"no field {name}"
    return found.group()


def has(text, *parts):
    return [part for part in parts if part not in text] == []


def test_the_form_is_made_from_the_declaration(client, publish_echo):
    publish_echo()

    page = client.get("/models/echo")

    number = 'type="number"'
    assert "<textarea" in control(page, "words")
    assert has(control(page, "weight"), "<input", number)
    assert has(control(page, "loud"), 'type="checkbox"', 'role="switch"', "checked")
    assert has(control(page, "times"), number, 'min="1"', 'max="9"', 'value="1"')
    assert "<select" in control(page, "mood")
    assert re.findall(r'<option value="(\w+)"', page.text) == ["calm", "sad"]
    assert re.search(r'<label[^>]*for="field-words"[^>]*>Words</label>', page.text)
    assert "what is repeated" in page.text


@pytest.mark.parametrize(
    ("model", "field", "accept"),
    [
        ("ocr", "image", 'accept="image/png,image/jpeg,image/webp"'),
        ("file-type", "file", 'type="file"'),
    ],
)
def test_a_file_is_chosen(client, model, field, accept):
    assert accept in control(client.get(f"/models/{model}"), field)


def test_the_form_needs_no_script_and_carries_a_token(client):
    page = client.get("/models/iris")

    assert 'method="post"' in page.text
    assert 'enctype="multipart/form-data"' in page.text
    assert 'action="/models/iris/predictions"' in page.text
    assert 'name="csrf_token"' in page.text


def test_the_first_example_is_answered_already(client):
    page = client.get("/models/iris")

    assert "This is an example: Setosa" in page.text
    assert re.search(r"setosa", page.text)


def test_every_example_is_one_click_away(client):
    page = client.get("/models/iris")

    assert re.findall(r'href="/models/iris\?example=(\d)"', page.text) == [
        "1",
        "2",
        "3",
    ]


def test_an_example_fills_the_form(client):
    page = client.get("/models/iris?example=2")

    assert "[[5.7,2.8,4.1,1.3]]</textarea>" in page.text
    assert 'name="example" value="2"' in page.text


def test_an_example_with_a_file_shows_its_name_and_size(client):
    page = client.get("/models/ocr?example=2")

    assert "page.jpg" in page.text
    assert 'src="/models/ocr/examples/2/image?v=' in page.text


def test_an_example_with_a_picture_shows_its_pixels(client):
    page = client.get("/models/ocr?example=3").text

    assert "signpost.png" in page
    assert "1200 × 800 px" in page


@pytest.mark.parametrize("number", ["0", "4", "99999", "-1", "x", "1e3", "٣", ""])
def test_an_example_that_is_not_there_leaves_the_form_empty(client, number):
    page = client.get("/models/iris", query_string={"example": number})

    assert page.status_code == 200
    assert 'name="example"' not in page.text


def test_an_example_is_shown_as_text(client):
    example = '{title = "Hi <there>", inputs = {features = [[1, 2, 3, 4]]}}'
    publish_iris(name="other", assignments=(f"examples=[{example}]",))

    page = client.get("/models/other?example=1")

    assert "Hi &lt;there&gt;" in page.text
    assert "<there>" not in page.text


def test_the_page_shows_a_call_to_paste(client):
    page = client.get("/models/iris")

    assert "curl" in page.text
    assert "/api/v1/models/iris/predict" in page.text
    assert "YOUR_KEY" in page.text


def test_every_version_is_listed_with_its_digest(client):
    second = publish_iris(title="Iris again")

    page = client.get("/models/iris")

    digests = [v.digest[:12] for v in second.model.versions]
    assert all(digest in page.text for digest in digests)
    assert re.search(r"2 \(live\)", page.text)


def test_the_model_card_is_rendered_and_its_html_is_inert(client, publish_echo):
    publish_echo(CARD)

    page = client.get("/models/echo")

    wanted = ["<h2>A heading</h2>", "<td>1</td>", 'href="https://example.org"']
    assert has(page.text, *wanted)
    harms = [
        "<script>alert",
        "<img src=x",
        'href="javascript:',
        '<div hx-get="/logout"',
    ]
    assert [harm for harm in harms if harm in page.text] == []
    # Attributes of htmx would be read even where the page is clean.
    assert '<div class="prose" hx-ignore>' in page.text


@pytest.mark.parametrize(
    "path", ["/models/nothing", "/models/NOTHING", "/models/a%0ab", "/models/stats"]
)
def test_an_unknown_model_is_404(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("page", ["", "/examples/1/file"])
@pytest.mark.parametrize(
    ("visibility", "who", "status"),
    [
        ("public", None, 200),
        ("unlisted", None, 200),
        ("private", None, 404),
        ("private", "user", 404),
        ("private", "publisher", 404),
        ("private", "owner", 200),
    ],
)
def test_a_private_model_and_its_examples_are_there_for_owners_only(
    client, page, visibility, who, status
):
    catalog.find_any("file-type").visibility = visibility
    db.session.commit()
    if who:
        log_in(client, make_user(role=who))

    answer = client.get(f"/models/file-type{page}", buffered=True)

    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/models/ocr", "/models/ocr/examples/1/image"])
def test_a_withdrawn_model_is_404(client, path):
    catalog.withdraw(catalog.find_any("ocr"))
    db.session.commit()

    assert client.get(path).status_code == 404


def test_a_picture_of_an_example_is_shown_in_place(client):
    answer = client.get("/models/ocr/examples/1/image", buffered=True)

    assert answer.content_type == "image/png"
    assert answer.data == (ROOT / "bundled/ocr/examples/receipt.png").read_bytes()
    assert not answer.headers["Content-Disposition"].startswith("attachment")


def test_any_other_file_of_an_example_is_saved(client):
    answer = client.get("/models/file-type/examples/1/file", buffered=True)

    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize(
    "path", ["/models/ocr/examples/1/image", "/models/file-type/examples/1/file"]
)
def test_a_file_of_an_example_can_not_run_as_a_page(client, path):
    answer = client.get(path, buffered=True)

    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox;")
    assert "default-src 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/models/ocr/examples/0/image",
        "/models/ocr/examples/4/image",
        "/models/ocr/examples/1/nothing",
        "/models/iris/examples/1/features",
        "/models/ocr/examples/1/..%2f..%2fsecret_key",
    ],
)
def test_an_example_has_no_other_files(client, path):
    assert client.get(path).status_code == 404


def test_the_page_says_how_long_an_answer_takes_once_that_is_known(client):
    before = client.get("/models/iris").text
    keep_measurement("iris", 1)

    after = client.get("/models/iris").text

    assert "answers in about" not in before
    assert "answers in about 8.2 ms" in after


def test_what_calls_took_is_told_rather_than_what_was_measured(client):
    keep_measurement("iris", 1)
    version = catalog.find_model("iris", viewer=None).live
    statistics = Statistics()
    for _ in range(20):
        statistics.succeeded(dict.fromkeys(STEPS, 131.072))
    loaded = SimpleNamespace(
        spec=catalog.version_spec(version, extensions.config()), statistics=statistics
    )
    catalog.keep_timings([loaded], holder="one")

    page = client.get("/models/iris").text

    assert "answers in about 131 ms" in page
