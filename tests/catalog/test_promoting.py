"""Which of its versions a model answers with: promoted, or taken back."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from portal import catalog
from portal.audit import AuditEvent
from portal.catalog import ModelVersion
from portal.db import db
from portal.extensions import config as running_config
from tests import onnx_files
from tests.factories import make_key, make_user

PREDICT = "/api/v1/models/cats/predict"
ROW = {"inputs": {"x": [[1, 2]]}}


@pytest.fixture
def versions(publish, tmp_path):
    """Publish three versions of `cats`, which add 1, 2 and 3; the last is live."""
    for amount in (1, 2, 3):
        publish(write_cats(tmp_path, amount))


@pytest.fixture
def models(runner):
    """Return a function that runs `flask models` with arguments."""

    def models(*arguments):
        return runner.invoke(args=["models", *map(str, arguments)])

    return models


def write_cats(folder, amount):
    path = folder / "cats.onnx"
    path.write_bytes(onnx_files.adder(amount))
    return path


def publish_cats(folder, amount):
    catalog.publish(write_cats(folder, amount), config=running_config())
    db.session.commit()


def numbers():
    """Return the numbers of the live and of the previous version, as stored."""
    db.session.expire_all()
    model = catalog.find_any("cats")
    return model.live_number, model.previous_number


def audited(action):
    db.session.rollback()
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.action == action))
    return [(e.subject, e.details["previous"], e.details["version"]) for e in events]


def predict(app, secret):
    answer = app.test_client().post(PREDICT, json=ROW, headers={"X-API-Key": secret})
    return answer.status_code, answer.json.get("version")


# Promoting


def test_a_promoted_version_is_live(models, versions):
    result = models("promote", "cats", 1)

    assert result.exit_code == 0
    assert result.stdout == "cats went from version 3 to version 1.\n"
    assert numbers() == (1, 3)
    assert catalog.find_model("cats", viewer=None).live.number == 1
    assert audited("model.promoted") == [("model:cats", 3, 1)]


def test_the_model_page_names_the_promoted_version(models, versions, client):
    models("promote", "cats", 2)

    assert client.get("/api/v1/models/cats").json["live_version"] == 2
    assert "<li>version 2</li>" in client.get("/models/cats").text


def test_promoting_the_live_version_changes_nothing(models, versions):
    result = models("promote", "cats", 3)

    assert result.exit_code == 0
    assert result.stdout == "cats version 3 is live already.\n"
    assert numbers() == (3, 2)
    assert audited("model.promoted") == []


@pytest.mark.parametrize("number", [0, 4, 10**30])
def test_an_unknown_version_is_refused(models, versions, number):
    result = models("promote", "cats", number)

    assert result.exit_code == 1
    assert result.stderr == f"Error: The model cats has no version {number}.\n"
    assert result.stdout == ""
    assert numbers() == (3, 2)


@pytest.mark.parametrize("arguments", [["promote", "cats", 1], ["rollback", "cats"]])
def test_a_withdrawn_model_is_refused_with_what_to_do(models, versions, arguments):
    models("withdraw", "cats")

    result = models(*arguments)

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: cats is withdrawn. Bring it back with flask models restore or in "
        "the back office, then choose its version.\n"
    )
    assert numbers() == (3, 2)
    assert catalog.find_any("cats").is_withdrawn


# Rolling back


def test_rolling_back_returns_to_the_version_before(models, versions):
    result = models("rollback", "cats")

    assert result.exit_code == 0
    assert result.stdout == "cats went back from version 3 to version 2.\n"
    assert numbers() == (2, 3)
    assert audited("model.rolled_back") == [("model:cats", 3, 2)]


def test_rolling_back_returns_to_what_was_live_not_to_the_number_below(
    models, versions
):
    models("promote", "cats", 1)

    result = models("rollback", "cats")

    assert result.stdout == "cats went back from version 1 to version 3.\n"
    assert numbers() == (3, 1)


def test_rolling_back_twice_returns_to_where_one_was(models, versions):
    models("rollback", "cats")
    models("rollback", "cats")

    assert numbers() == (3, 2)


def test_there_is_nothing_before_the_first_version(models, publish, tmp_path):
    publish(write_cats(tmp_path, 1))

    result = models("rollback", "cats")

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: No other version of cats was live before this one, so there is "
        "nothing to go back to. Name one: flask models promote cats VERSION\n"
    )
    assert numbers() == (1, None)
    assert audited("model.rolled_back") == []


# What publishing keeps


def test_publishing_keeps_which_version_was_live(publish, tmp_path):
    publish(write_cats(tmp_path, 1))
    assert numbers() == (1, None)

    publish(write_cats(tmp_path, 2))
    assert numbers() == (2, 1)


def test_publishing_the_live_version_again_keeps_the_one_before(publish, tmp_path):
    for amount in (1, 2, 2):
        publish(write_cats(tmp_path, amount))

    assert numbers() == (2, 1)


def test_publishing_an_older_version_again_can_be_rolled_back(
    models, publish, versions, tmp_path
):
    publish(write_cats(tmp_path, 1))
    assert numbers() == (1, 3)

    models("rollback", "cats")

    assert numbers() == (3, 1)


def test_a_withdrawal_forgets_neither_version(models, publish, versions, tmp_path):
    models("withdraw", "cats")
    assert numbers() == (3, 2)

    publish(write_cats(tmp_path, 3))

    assert models("rollback", "cats").exit_code == 0
    assert numbers() == (2, 3)


# Restoring


def test_a_restored_model_answers_with_the_version_that_was_live(models, versions, app):
    _, secret = make_key(make_user())
    models("withdraw", "cats")

    result = models("restore", "cats")

    assert result.exit_code == 0
    assert result.stdout == "cats version 3 is live.\n"
    assert numbers() == (3, 2)
    assert predict(app, secret) == (200, 3)


def test_restoring_a_model_that_is_not_withdrawn_changes_nothing(models, versions):
    result = models("restore", "cats")

    assert result.exit_code == 0
    assert numbers() == (3, 2)
    db.session.rollback()
    actions = db.session.scalars(select(AuditEvent.action))
    assert "model.restored" not in list(actions)


# At once


@pytest.mark.parametrize("portal", ["app", "pg_app"])
def test_promoting_while_calling_fails_no_call(request, tmp_path, portal):
    app = request.getfixturevalue(portal)
    for amount in (1, 2):
        publish_cats(tmp_path, amount)
    secrets = [make_key(make_user(f"{n}@example.org"))[1] for n in range(3)]
    assert predict(app, secrets[0]) == (200, 2)
    start = threading.Barrier(4, timeout=10)

    def call(secret):
        start.wait()
        return [predict(app, secret) for _ in range(15)]

    def promote():
        with app.app_context():
            start.wait()
            for number in (1, 2, 1):
                catalog.promote(catalog.find_any("cats"), number)
                db.session.commit()
            db.session.remove()

    with ThreadPoolExecutor(4) as threads:
        called = [threads.submit(call, secret) for secret in secrets]
        threads.submit(promote).result()
        answers = [answer for calls in called for answer in calls.result()]

    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers} <= {1, 2}
    assert predict(app, secrets[0]) == (200, 1)


def test_the_next_call_is_answered_by_the_promoted_version(pg_app, tmp_path):
    """Nothing of the choice is kept in a process: each call reads the row."""
    for amount in (1, 2):
        publish_cats(tmp_path, amount)
    _, secret = make_key(make_user())
    before = predict(pg_app, secret)

    with pg_app.app_context():
        catalog.promote(catalog.find_any("cats"), 1)
        db.session.commit()
        db.session.remove()

    assert (before, predict(pg_app, secret)) == ((200, 2), (200, 1))


@pytest.mark.parametrize("portal", ["app", "pg_app"])
def test_two_rollbacks_at_once_are_one_after_the_other(request, tmp_path, portal):
    app = request.getfixturevalue(portal)
    for amount in (1, 2):
        publish_cats(tmp_path, amount)
    start = threading.Barrier(2, timeout=10)

    def roll_back(_):
        with app.app_context():
            model = catalog.find_any("cats")
            start.wait()
            catalog.roll_back(model)
            db.session.commit()
            db.session.remove()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(roll_back, range(2)))

    assert numbers() == (2, 1)
    assert sorted(audited("model.rolled_back")) == [
        ("model:cats", 1, 2),
        ("model:cats", 2, 1),
    ]


def test_a_version_published_meanwhile_can_be_promoted(pg_app, tmp_path):
    publish_cats(tmp_path, 1)
    model = catalog.find_any("cats")
    assert len(model.versions) == 1
    db.session.commit()
    with pg_app.app_context():
        publish_cats(tmp_path, 2)
        db.session.remove()

    before = catalog.promote(model, 2)
    db.session.commit()

    assert before == 2
    assert len(db.session.scalars(select(ModelVersion)).all()) == 2
