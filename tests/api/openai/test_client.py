"""OpenAI's own client, unchanged: in the process, and against a running portal."""

import html
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import openai
import pytest
import requests

from portal.app import create_app
from portal.db import db, now
from portal.extensions import parts
from tests.api.calling import statuses
from tests.api.openai.calling import BAD, GOOD_DAY, inside, openai_client
from tests.conftest import make_config
from tests.counted import use_quota
from tests.factories import make_key, make_user
from tests.plans.figures import DEFAULT_PLAN
from tests.published import copy_store
from tests.servers import Portal

CODE = re.compile(r'<code[^>]* id="openai-\d"[^>]*>(.*?)</code>', re.DOTALL)


@pytest.fixture(scope="module")
def secret_of(published, tmp_path_factory):
    """Return a data folder where somebody has a key, and that key."""
    folder = tmp_path_factory.mktemp("served") / "data"
    copy_store(published, folder)
    with create_app(make_config(folder)).app_context():
        _, secret = make_key(make_user())
        db.session.remove()
        db.engine.dispose()
    return folder, secret


@pytest.fixture(scope="module")
def portal(secret_of):
    """Return a running portal."""
    folder, _ = secret_of
    with Portal.embedded(PORTAL_DATA_DIR=str(folder)) as portal:
        yield portal


@pytest.fixture(scope="module")
def secret(secret_of):
    return secret_of[1]


@pytest.fixture(scope="module")
def client_of_portal(portal, secret):
    """Return the client of the running portal."""
    with openai_client(portal.base_url, secret, max_retries=0) as client:
        yield client


@pytest.fixture
def client_inside(app, ada):
    """Return the client of ``app``, with Ada's key."""
    with openai_client(
        "http://localhost", ada.secret, http_client=inside(app)
    ) as client:
        yield client


def embed(client, **keys):
    return client.embeddings.create(**{"model": "words", "input": "good day", **keys})


def test_the_client_embeds_as_it_does_by_default(client_of_portal):
    answer = embed(client_of_portal, input=["good day", "bad"])

    assert np.array([one.embedding for one in answer.data]) == pytest.approx(
        np.array([GOOD_DAY, BAD])
    )
    assert [one.index for one in answer.data] == [0, 1]
    assert answer.model == "words"
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (7, 7)


@pytest.mark.parametrize(
    "keys",
    [
        {"encoding_format": "float"},
        {"encoding_format": "base64"},
        {"input": [1, 4, 6, 2]},
        {"input": [[1, 4, 6, 2]]},
        {"dimensions": 3, "user": "someone"},
        {"extra_body": {"newest": True}},
    ],
)
def test_the_client_may_use_all_that_it_can(client_of_portal, keys):
    (one,) = embed(client_of_portal, **keys).data

    if keys.get("encoding_format") == "base64":
        assert isinstance(one.embedding, str)
    else:
        assert one.embedding == pytest.approx(list(GOOD_DAY))


def test_the_client_lists_the_models(client_of_portal):
    listed = list(client_of_portal.models.list())

    assert [model.id for model in listed] == ["words"]
    assert listed[0] == client_of_portal.models.retrieve("words")
    assert datetime.fromtimestamp(listed[0].created, UTC).date() <= now().date()


def test_the_calls_in_the_docs_run_as_they_stand(portal, secret):
    page = requests.get(f"{portal.base_url}/docs/models/words", timeout=10).text
    program, command = map(html.unescape, CODE.findall(page))

    by_client = run([sys.executable, "-c", program], secret)
    by_hand = run(["bash", "-c", command.replace("curl", "curl -sS", 1)], secret)

    assert by_client.startswith("0 3 [0.80178")
    assert json.loads(by_hand)["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def run(command, secret):
    """Return what *command* prints, if it has no complaint."""
    done = subprocess.run(
        command,
        env={**os.environ, "MODEL_PORTAL_KEY": secret},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    ("keys", "kind", "param"),
    [
        ({"model": "nothing"}, openai.NotFoundError, None),
        ({"model": "secret"}, openai.NotFoundError, None),
        ({"model": "iris"}, openai.UnprocessableEntityError, "model"),
        ({"input": ["good", ""]}, openai.UnprocessableEntityError, "input[1]"),
        ({"dimensions": 9}, openai.UnprocessableEntityError, "dimensions"),
    ],
)
def test_a_refusal_is_raised_as_the_clients_own_kind(client_inside, keys, kind, param):
    with pytest.raises(kind) as refusal:
        embed(client_inside, **keys)

    error = refusal.value
    assert error.body["message"] in error.message
    assert error.body["message"]
    assert error.param == param
    assert error.code == error.type
    assert error.request_id.startswith("req_")
    assert len(statuses()) == 1


def test_an_unknown_key_is_no_authentication(app):
    with (
        openai_client(
            "http://localhost", "mp_wrong", http_client=inside(app)
        ) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        embed(client)


def test_a_suspended_person_is_denied(client_inside, ada):
    ada.user.suspended_at = now()
    db.session.commit()

    with pytest.raises(openai.PermissionDeniedError):
        embed(client_inside)


def test_the_client_gives_up_at_once_when_the_quota_is_used_up(client_inside, ada):
    use_quota(ada.user.id, DEFAULT_PLAN.monthly_predictions)

    with pytest.raises(openai.RateLimitError) as refusal:
        embed(client_inside)

    assert refusal.value.response.headers["x-should-retry"] == "false"
    assert refusal.value.response.json()["violated-policies"] == ["monthly"]
    assert statuses() == [429]


def test_the_client_waits_for_a_burst_to_pass(client_inside, ada, monkeypatch):
    pauses = []
    limit = f"user:{ada.user.id}"
    pause_s = client_inside._calculate_retry_timeout  # noqa: SLF001 - its own answer

    def pass_at_once(*args):
        pauses.append(pause_s(*args))
        parts().rates.forget(DEFAULT_PLAN.rate, "predict", limit)
        return 0

    monkeypatch.setattr(client_inside, "_calculate_retry_timeout", pass_at_once)
    for _ in range(60):
        parts().rates.hit(DEFAULT_PLAN.rate, "predict", limit)

    answer = embed(client_inside)

    assert answer.data[0].embedding == pytest.approx(list(GOOD_DAY))
    (pause,) = pauses
    assert 50 < pause <= 60
    assert statuses() == [429, 200]
