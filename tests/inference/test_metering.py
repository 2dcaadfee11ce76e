"""Every call to a valid key is recorded once, whatever comes of it."""

import numpy as np
import pytest
from sqlalchemy import select

from portal import catalog, inference, usage
from portal.accounts import User
from portal.db import db
from portal.errors import Invalid
from portal.extensions import parts
from portal.inference import Caller
from portal.runtime import LoadedModel
from portal.usage import QuotaExhausted, Surface
from portal.usage.tables import NOBODY, MonthlyUse
from tests.api.calling import IRIS, SETOSA, bearer
from tests.counted import quota_used, records, use_quota
from tests.factories import make_key, make_user
from tests.plans.figures import DEFAULT_PLAN
from tests.published import publish_iris

FEATURES = np.array([[5.1, 3.5, 1.4, 0.2]], "float32")


@pytest.fixture
def user(app):
    return make_user()


@pytest.fixture
def caller(user):
    return Caller(Surface.API, "127.0.0.1", user=user, api_key=make_key(user)[0])


def run(caller, request_id="req_1", *, then=None):
    """Make a call that is answered, unless *then* raises."""
    with inference.metered(caller, request_id=request_id) as call:
        call.version = catalog.find_model("iris", viewer=caller.user).live
        with inference.admitted(call):
            prediction = inference.infer(call, {"features": FEATURES}, {})
        if then:
            then()
        return prediction


def fail():
    message = "nobody foresaw this"
    raise RuntimeError(message)


def refuse():
    raise Invalid("That won't do.", "/inputs/features")


def take_all(user):
    """Use the whole quota of the running month, as other calls would."""
    use_quota(user.id, DEFAULT_PLAN.monthly_predictions)


def test_an_answer_is_one_record_and_one_unit(caller, user):
    prediction = run(caller)

    (record,) = records()
    assert (record.request_id, record.status) == ("req_1", 200)
    assert (record.user_id, record.api_key_id) == (user.id, caller.api_key_id)
    assert record.compute_ms == prediction.compute_ms > 0
    assert record.latency_ms >= record.compute_ms
    assert record.version == 1
    assert quota_used(user) == 1


@pytest.mark.parametrize(
    ("then", "error", "status"),
    [(refuse, Invalid, 422), (fail, RuntimeError, 500)],
)
def test_a_call_that_fails_is_recorded_with_its_status(
    caller, user, then, error, status
):
    with pytest.raises(error):
        run(caller, then=then)

    assert [(r.request_id, r.status) for r in records()] == [("req_1", status)]
    assert quota_used(user) == 0


@pytest.mark.parametrize("then", [refuse, fail])
def test_what_a_refused_call_wrote_is_not_committed(caller, then):
    def write_then_end():
        db.session.add(User(email="half@example.org", role="user", link_nonce="x"))
        db.session.flush()
        then()

    with pytest.raises((Invalid, RuntimeError)):
        run(caller, then=write_then_end)

    db.session.rollback()
    found = db.session.scalars(select(User.email)).all()
    assert found == ["ada@example.org"]
    assert len(records()) == 1


def test_a_call_for_no_model_is_recorded_without_one(caller):
    def ask():
        with inference.metered(caller, request_id="req_1"):
            catalog.find_model("nothing", viewer=None)

    with pytest.raises(catalog.ModelNotFound):
        ask()

    assert [(r.status, r.model_id, r.version) for r in records()] == [
        (404, NOBODY, NOBODY)
    ]


def test_a_quota_that_ends_during_a_call_does_not_refuse_its_answer(caller, user):
    """Its unit was reserved before the work."""
    run(caller, then=lambda: take_all(user))

    assert [(r.request_id, r.status) for r in records()] == [("req_1", 200)]


def test_nothing_is_run_when_no_quota_is_left(caller, user):
    take_all(user)

    with pytest.raises(QuotaExhausted):
        run(caller)

    assert [(r.status, r.compute_ms) for r in records()] == [(429, 0.0)]


@pytest.mark.parametrize(("then", "error"), [(refuse, Invalid), (fail, RuntimeError)])
def test_a_call_that_fails_puts_its_unit_back(caller, then, error):
    with pytest.raises(error):
        run(caller, then=then)

    usage.drain()
    usage.give_back_units(is_last=True)

    assert db.session.scalar(select(MonthlyUse.reserved)) == 0


def test_no_quota_is_taken_from_a_visitor(app):
    run(Caller(Surface.PLAYGROUND, "198.51.100.7"))

    assert db.session.scalars(select(MonthlyUse)).all() == []
    assert [(r.user_id, r.surface) for r in records()] == [(NOBODY, "playground")]


def test_the_record_is_there_before_the_answer_leaves(app, user):
    """Read from outside, before the client has seen a byte."""
    _, secret = make_key(user)
    seen = []

    @app.after_request
    def look(response):
        seen.extend((r.request_id, r.status) for r in records())
        return response

    answer = app.test_client().post(IRIS, json=SETOSA, headers=bearer(secret))

    assert seen == [(answer.json["id"], 200)]


def test_a_fault_of_the_portal_is_recorded_as_500(app, user, monkeypatch):
    _, secret = make_key(user)
    monkeypatch.setattr(parts().pool, "get", lambda spec: fail(), raising=False)

    answer = app.test_client().post(IRIS, json=SETOSA, headers=bearer(secret))

    assert answer.status_code == 500
    assert [(r.request_id, r.status) for r in records()] == [
        (answer.headers["X-Request-ID"], 500)
    ]
    assert quota_used(user) == 0


def test_a_model_whose_file_is_damaged_is_503_and_recorded(app, user, tmp_path):
    _, secret = make_key(user)
    sha256 = publish_iris(title="Broken").manifest["files"]["model"]["sha256"]
    path = tmp_path / "models" / sha256[:2] / sha256
    path.unlink()
    path.write_bytes(b"no model")

    answer = app.test_client().post(IRIS, json=SETOSA, headers=bearer(secret))

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert [r.status for r in records()] == [503]


def test_no_database_connection_is_held_while_the_model_runs(pg_app, monkeypatch):
    _, secret = make_key(make_user())
    predict = LoadedModel.predict
    held = []

    def predict_and_look(*args):
        held.append(db.engine.pool.checkedout())
        return predict(*args)

    monkeypatch.setattr(LoadedModel, "predict", predict_and_look)
    db.session.remove()

    answer = pg_app.test_client().post(IRIS, json=SETOSA, headers=bearer(secret))

    assert (answer.status_code, held) == (200, [0])
