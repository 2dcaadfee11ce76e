"""The developer pages: the first call, every model, every error."""

import html
import json
import re
import shlex
from html.parser import HTMLParser

import pytest

from portal import catalog
from portal.config import ROOT
from portal.db import db
from portal.errors import PortalError
from portal.extensions import config as settings
from portal.inference import sample_of
from portal.reference import examples
from tests.factories import log_in, make_user

CODE = re.compile(r'<code class="language-(\w+)"[^>]*>(.*?)</code>', re.DOTALL)


@pytest.fixture
def iris(app):
    return publish_iris()


def publish_iris(*assignments, owner=None):
    version, _ = catalog.publish(
        ROOT / "bundled" / "iris",
        config=settings(),
        overrides=catalog.Overrides(assignments=assignments),
        owner=owner,
    )
    db.session.commit()
    return version


def code_of(page):
    """Return the (language, text) of each block of code."""
    return [(language, html.unescape(text)) for language, text in CODE.findall(page)]


def every_kind(kind=PortalError):
    yield kind
    for special in kind.__subclasses__():
        yield from every_kind(special)


class Outline(HTMLParser):
    """Collects the ids of a page, and where its links lead."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.links = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a":
            self.links.append(attributes["href"])


@pytest.mark.parametrize("path", ["/docs", "/docs/errors", "/docs/models/iris"])
def test_every_page_is_open_to_visitors_and_its_links_lead_somewhere(
    client, iris, path
):
    answer = client.get(path)

    outline = Outline(answer.text)
    assert answer.status_code == 200
    assert len(outline.ids) == len(set(outline.ids))
    for link in outline.links:
        page, _, fragment = link.partition("#")
        found = client.get(page or path, buffered=True)
        assert found.status_code in {200, 303}, link
        if fragment:
            assert fragment in Outline(found.text).ids, link


def test_the_first_call_shows_three_ways_and_three_languages(client):
    blocks = code_of(client.get("/docs").text)

    texts = "\n".join(text for _, text in blocks)
    assert {language for language, _ in blocks} == {
        *("shell", "python", "javascript", "json"),
        "toml",  # gitleaks' rule
    }
    assert "-F image=@receipt.png" in texts
    assert "--data-binary @receipt.png" in texts
    assert '{"inputs": {"image": "%s"}}' in texts
    assert '{"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}' in texts


def test_every_example_names_this_portal(client, iris):
    for path in ("/docs", "/docs/models/iris"):
        for language, text in code_of(client.get(path).text):
            for address in re.findall(r"https?://[^\s\"']+", text):
                assert address.startswith("http://127.0.0.1:8000/"), (language, text)


def test_the_python_examples_compile_and_the_json_is_json(client, iris):
    for path in ("/docs", "/docs/models/iris"):
        for language, text in code_of(client.get(path).text):
            if language == "python":
                compile(text, path, "exec")
            elif language == "json":
                json.loads(text)
            elif language == "shell":
                shlex.split(text)


def test_the_docs_name_the_limits_of_the_plan(client):
    page = client.get("/docs").text

    for fact in ("60/minute, 2000/hour", "10,000 a month", "10 MB", "40 megapixels"):
        assert fact in page
    for header in ("RateLimit-Policy", "X-RateLimit-Reset", "Retry-After"):
        assert header in page


def test_every_error_that_an_answer_may_name_is_explained(client):
    page = client.get("/docs/errors").text

    sections = Outline(page).ids
    for kind in every_kind():
        assert kind.slug in sections


def test_an_error_of_the_api_leads_to_its_section(client):
    problem = client.get("/api/v1/me").get_json(force=True)

    page, _, slug = problem["type"].partition("#")
    assert slug in Outline(client.get(page).text).ids


def test_a_model_page_tells_inputs_outputs_and_their_schemas(client, iris):
    page = client.get("/docs/models/iris").text

    ids = Outline(page).ids
    assert "inputs-features" in ids
    assert "outputs-labels" in ids
    assert "outputs-probabilities" in ids
    assert "POST http://127.0.0.1:8000/api/v1/models/iris/predict" in page
    schemas = [
        json.loads(text) for language, text in code_of(page) if language == "json"
    ]
    assert schemas[0]["items"]["minItems"] == 4


def test_a_model_is_shown_with_its_own_example(client, iris):
    page = html.unescape(client.get("/docs/models/iris").text)

    assert '{"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}}' in page


def test_the_rail_lists_the_public_models(client, iris):
    assert "/docs/models/iris" in Outline(client.get("/docs").text).links


def test_a_model_that_is_not_there_has_no_docs(client):
    assert client.get("/docs/models/nothing").status_code == 404


def test_a_private_model_has_no_docs_for_others(client, app):
    publish_iris("visibility=private", owner=make_user())
    log_in(client, make_user("bob@example.org"))

    assert client.get("/docs/models/iris").status_code == 404


def test_a_private_model_has_docs_for_its_owner(client, app):
    publisher = make_user()
    publish_iris("visibility=private", owner=publisher)
    log_in(client, publisher)

    assert client.get("/docs/models/iris").status_code == 200


def test_a_name_with_spaces_is_quoted_for_the_shell():
    calls = examples.for_upload("http://portal", "ocr", "image", "my picture.png")

    for call in calls:
        if call.language == "shell":
            assert "'my picture.png'" in call.text


@pytest.mark.parametrize(
    ("schema", "sample"),
    [
        ({"type": "number"}, 0.5),
        ({"type": "integer"}, 1),
        ({"type": "boolean"}, True),
        ({"type": "string"}, "text"),
        ({"type": "array"}, ["text"]),
        (
            {"type": "array", "minItems": 2, "items": {"type": "integer"}},
            [1, 1],
        ),
    ],
)
def test_a_value_without_an_example_is_made_up_from_its_schema(schema, sample):
    assert sample_of(schema) == sample
