"""`POST /models/<name>/predictions`: a person tries a model; nothing is kept."""

import base64
import io
import re

import pytest
import time_machine
from PIL import Image

from portal.accounts import User
from portal.extensions import parts
from portal.usage.tables import NOBODY
from tests.api.calling import (
    RECEIPT,
    bearer,
    picture,
    predict_iris,
    quota_used,
    records,
    statuses,
)
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token

NOON = "2026-11-24T12:00:10Z"
SETOSA = "[[5.1, 3.5, 1.4, 0.2]]"
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
DATA_URL = re.compile(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)")


def run(client, model="iris", headers=None, **fields):
    """Send the form of *model* as the browser would."""
    if "csrf_token" not in fields:
        fields["csrf_token"] = csrf_token(client, f"/models/{model}")
    return client.post(
        f"/models/{model}/predictions",
        data=fields,
        content_type="multipart/form-data",
        headers=headers or {},
    )


def user() -> User:
    return make_user("ada@example.org")


def test_a_visitor_gets_a_page_with_the_result(client):
    page = run(client, features=SETOSA)

    assert page.status_code == 200
    assert "<html" in page.text
    assert "setosa" in page.text
    assert "This is an example" not in page.text
    assert f"{SETOSA}</textarea>" in page.text


def test_htmx_gets_the_result_alone(client):
    fragment = run(client, headers=HTMX, features=SETOSA)

    assert fragment.status_code == 200
    assert fragment.text.lstrip().startswith(
        '<section class="panel result" id="result"'
    )
    assert "<html" not in fragment.text
    assert "setosa" in fragment.text
    assert {"HX-Request", "HX-Request-Type"} <= set(fragment.vary)


def test_htmx_that_loads_a_whole_page_gets_one(client):
    page = run(
        client,
        headers={"HX-Request": "true", "HX-Request-Type": "full"},
        features=SETOSA,
    )

    assert "<html" in page.text


def test_the_answer_can_be_saved_as_the_api_gives_it(client):
    page = run(client, features=SETOSA)

    encoded = re.search(r"data:application/json;base64,([A-Za-z0-9+/=]+)", page.text)
    document = base64.b64decode(encoded.group(1)).decode()
    assert page.headers["X-Request-ID"] in document
    assert '"model": "iris"' in document
    assert 'download="iris.json"' in page.text


def test_an_example_runs_without_a_file(client):
    page = run(client, "ocr", example="1", min_score="0.5")

    assert page.status_code == 200
    assert "HARBOUR BAKERY" in page.text
    assert 'src="/models/ocr/examples/1/image' in page.text


def test_a_file_that_is_chosen_goes_before_the_example(client):
    page = run(
        client,
        "file-type",
        example="1",
        file=(io.BytesIO(b"\x89PNG\r\n\x1a\n" + picture()), "mine.png"),
    )

    assert "mine.png" in page.text
    assert 'name="example"' not in page.text


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_wrong_input_is_422_and_says_what_is_wrong(client, headers):
    answer = run(client, headers=headers, features="[[1, 2, 3]]")

    assert answer.status_code == 422
    assert "must have the shape [N, 4]" in answer.text
    assert statuses() == [422]


def test_a_refused_form_keeps_what_was_typed(client, publish_echo):
    publish_echo()

    page = run(
        client,
        "echo",
        words="</textarea><b>mine & yours",
        weight="heavy",
        times="7",
        mood="sad",
    )

    assert page.status_code == 422
    assert "Weight must be" in page.text or "weight must be" in page.text
    assert "&lt;/textarea&gt;&lt;b&gt;mine &amp; yours" in page.text
    assert "<b>mine" not in page.text
    assert 'value="heavy"' in page.text
    assert 'value="7"' in page.text
    assert re.search(r'value="sad"\s+selected', page.text)
    # The switch that was off is not on again.
    assert not re.search(r'name="loud"[^>]*checked', page.text)


def test_every_mistake_is_shown_at_once(client, publish_echo):
    publish_echo()

    page = run(client, "echo", words="x", weight="", times="10", mood="furious")

    assert page.status_code == 422
    assert page.text.count('aria-invalid="true"') == 3
    assert "from 1 to 9" in page.text
    assert "calm, sad" in page.text


@pytest.mark.parametrize(
    ("fields", "loud"), [({}, "False"), ({"loud": "true"}, "True")]
)
def test_a_switch_that_is_off_is_false(client, publish_echo, fields, loud):
    publish_echo()

    page = run(client, "echo", words="hi", weight="1", **fields)

    assert f"hi loud={loud} mood=calm" in page.text
    is_on = bool(re.search(r'name="loud"[^>]*checked', page.text))
    assert is_on is (loud == "True")


def test_a_field_left_empty_takes_its_default(client, publish_echo):
    publish_echo()

    page = run(client, "echo", words="hi", weight="1", times="")

    assert page.status_code == 200


def test_no_file_is_422_and_says_so(client):
    page = run(client, "ocr", image=(io.BytesIO(b""), ""))

    assert page.status_code == 422
    assert "Choose a file for Picture first" in page.text


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"hello", 422, "not a picture"),
        (b"", 422, "is empty"),
        (picture("GIF"), 415, "a GIF"),
    ],
)
def test_a_bad_picture_is_refused_in_words(client, content, status, words):
    page = run(client, "ocr", image=(io.BytesIO(content), "x.png"))

    assert page.status_code == status
    assert words in page.text
    assert statuses() == [status]


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>.png",
        "'><script>alert(1)</script>.png",
        "{{ 7 * 7 }}.png",
        "../../../etc/passwd",
        "x" * 4000,
    ],
)
def test_a_file_name_is_shown_as_text(client, name):
    page = run(client, "file-type", file=(io.BytesIO(b"hello world" * 9), name))

    assert page.status_code == 200
    assert "<img src=x" not in page.text
    assert "<script>alert" not in page.text
    assert "49.png" not in page.text


def test_the_picture_comes_back_without_what_the_camera_wrote(client):
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)
    sent = picture("JPEG", exif=exif, comment=b"shot at home")
    assert b"Secret Camera" in sent

    page = run(client, "ocr", image=(io.BytesIO(sent), "photo.jpg"))

    assert page.status_code == 200
    echoed = base64.b64decode(DATA_URL.search(page.text).group(1))
    shown = Image.open(io.BytesIO(echoed))
    assert shown.size == (64, 48)
    assert dict(shown.getexif()) == {}
    assert b"Secret Camera" not in echoed
    assert b"shot at home" not in echoed


def test_a_large_picture_comes_back_small_with_its_own_size_told(client):
    sent = picture("PNG", (1500, 1000))

    page = run(client, "ocr", image=(io.BytesIO(sent), "wide.png"))

    shown = Image.open(
        io.BytesIO(base64.b64decode(DATA_URL.search(page.text).group(1)))
    )
    assert shown.width == 1400
    assert re.search(r"1500 \S 1000 px", page.text)


def test_nothing_of_a_run_is_kept(app, client, tmp_path):
    before = sorted(path for path in tmp_path.rglob("*") if path.is_file())

    run(client, "file-type", file=(io.BytesIO(RECEIPT.read_bytes()), "receipt.png"))

    after = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    # Rows, and the record of the call, are all that is written.
    kept = ("sqlite3", ".records")
    assert [p for p in after if not any(part in p.name for part in kept)] == [
        p for p in before if "sqlite3" not in p.name
    ]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_visitor_may_run_ten_a_minute(client, headers):
    with time_machine.travel(NOON, tick=False):
        token = csrf_token(client, "/models/iris")
        answers = [
            run(client, headers=headers, csrf_token=token, features=SETOSA)
            for _ in range(11)
        ]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert 0 < int(answers[10].headers["Retry-After"]) <= 60
    assert "10 calls per minute" in answers[10].text
    assert re.search(r'href="/signup"[^>]*>\s*Sign up', answers[10].text)
    # What was typed stays.
    assert headers or f"{SETOSA}</textarea>" in answers[10].text
    assert statuses() == [200] * 10 + [429]


def test_visitors_of_one_ipv6_household_count_together(client):
    with time_machine.travel(NOON, tick=False):
        token = csrf_token(client, "/models/iris")
        found = [
            client.post(
                "/models/iris/predictions",
                data={"csrf_token": token, "features": SETOSA},
                environ_base={"REMOTE_ADDR": f"2001:db8:0:7::{number:x}"},
            ).status_code
            for number in range(11)
        ]

    assert found == [200] * 10 + [429]


def test_a_visitor_runs_one_at_a_time(client):
    with parts().slots.hold("address:127.0.0.1", 1):
        refused = run(client, features=SETOSA)

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert "running already" in refused.text


def test_a_visitors_run_is_recorded_for_nobody(client):
    run(client, features=SETOSA)

    (record,) = records()
    assert (record.user_id, record.api_key_id) == (NOBODY, NOBODY)
    assert (record.surface, record.status, record.version) == ("playground", 200, 1)


def test_who_is_logged_in_runs_on_the_own_plan(client):
    ada = user()
    log_in(client, ada)

    with time_machine.travel(NOON, tick=False):
        token = csrf_token(client, "/models/iris")
        found = [
            run(client, csrf_token=token, features=SETOSA).status_code
            for _ in range(11)
        ]

        assert found == [200] * 11
        assert {(r.user_id, r.api_key_id, r.surface) for r in records()} == {
            (ada.id, NOBODY, "playground")
        }
        assert quota_used(ada) == 11


def test_an_unverified_user_runs_on_the_limits_of_a_visitor(app, client):
    log_in(client, make_user("new@example.org", is_verified=False))
    other = app.test_client()
    log_in(other, make_user("newer@example.org", is_verified=False))

    with time_machine.travel(NOON, tick=False):
        found = [run(client, features=SETOSA).status_code for _ in range(10)]
        refused = run(other, features=SETOSA)

    assert found == [200] * 10
    assert refused.status_code == 429
    assert "Confirm your address" in refused.text


def test_runs_and_calls_with_keys_count_together(client):
    ada = user()
    _, secret = make_key(ada)
    log_in(client, ada)

    with time_machine.travel(NOON, tick=False):
        run(client, features=SETOSA)
        answer = client.get("/api/v1/me", headers=bearer(secret))
        for _ in range(59):
            predict_iris(client, secret)
        refused = run(client, features=SETOSA)

    assert answer.json["limits"][0]["left"] == 59
    assert answer.json["quota"]["used"] == 1
    assert refused.status_code == 429
    assert "60 calls per minute" in refused.text
    assert "Sign up" not in refused.text
    assert 'href="/usage"' in refused.text


@pytest.mark.parametrize("token", ["", "wrong", "IjEi.x.y"])
def test_a_form_without_its_token_is_400(client, token):
    csrf_token(client, "/models/iris")

    answer = run(client, csrf_token=token, features=SETOSA)

    assert answer.status_code == 400
    assert "no longer valid" in answer.text
    assert records() == []


def test_the_token_may_come_in_the_header_as_htmx_sends_it(client):
    token = csrf_token(client, "/models/iris")

    answer = client.post(
        "/models/iris/predictions",
        data={"features": SETOSA},
        headers={**HTMX, "X-CSRFToken": token},
    )

    assert answer.status_code == 200


def test_a_key_is_no_form_token(client):
    _, secret = make_key(user())

    answer = client.post(
        "/models/iris/predictions", data={"features": SETOSA}, headers=bearer(secret)
    )

    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["nothing", "IRIS"])
def test_a_model_that_is_not_there_is_404(client, name):
    token = csrf_token(client, "/models/iris")

    answer = client.post(f"/models/{name}/predictions", data={"csrf_token": token})

    assert answer.status_code == 404
