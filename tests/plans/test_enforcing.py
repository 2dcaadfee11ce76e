"""What a plan refuses: computing, bodies, models; and what a model's own rate does."""

import io

import pytest
from flask.testing import FlaskClient

from portal import catalog, plans, usage
from portal.catalog import ManifestInvalid
from portal.config import ROOT
from portal.db import db
from portal.extensions import config as settings
from portal.extensions import parts
from portal.usage.tables import MonthlyUse
from tests.api.calling import FILE_TYPE, IRIS, SETOSA, bearer, predict_iris, statuses
from tests.counted import use_quota
from tests.factories import log_in, make_key, make_user
from tests.pages import csrf_token

MIB = 1024 * 1024
V2 = {
    "inputs": [
        {
            "name": "features",
            "datatype": "FP64",
            "shape": [1, 4],
            "data": [5.1, 3.5, 1.4, 0.2],
        }
    ]
}


@pytest.fixture
def user(app):
    return make_user()


@pytest.fixture
def secret(user):
    return make_key(user)[1]


@pytest.fixture
def browser(app, user):
    client = app.test_client()
    log_in(client, user)
    return client


def change(**terms):
    plans.change(plans.default(), terms)
    db.session.commit()


def compute(user, seconds):
    """Write down that *user* computed for so long this month."""
    use_quota(user.id, 1)
    db.session.query(MonthlyUse).update({"compute_ms": seconds * 1000})
    db.session.commit()


def publish_iris(name="limited", **limits):
    overrides = catalog.Overrides(
        name=name,
        assignments=tuple(f"limits.{key}={value}" for key, value in limits.items()),
    )
    catalog.publish(ROOT / "bundled/iris", config=settings(), overrides=overrides)
    db.session.commit()


def call(client, secret, name="limited"):
    return client.post(
        f"/api/v1/models/{name}/predict", json=SETOSA, headers=bearer(secret)
    )


def run(client: FlaskClient, model="iris", **fields):
    fields |= {"csrf_token": csrf_token(client, f"/models/{model}")}
    return client.post(
        f"/models/{model}/predictions", data=fields, content_type="multipart/form-data"
    )


def test_computing_is_refused_from_the_last_second_on(client, user, secret):
    change(monthly_compute_s=10)
    compute(user, 9.999)
    last = predict_iris(client, secret)
    compute(user, 10)
    # What is held may be used for a second yet.
    usage.give_back_units(is_last=True)

    refused = predict_iris(client, secret)

    assert (last.status_code, refused.status_code) == (200, 429)
    assert refused.json["violated-policies"] == ["monthly-compute"]
    assert "all 10 compute seconds" in refused.json["detail"]
    assert refused.headers["x-should-retry"] == "false"
    assert int(refused.headers["Retry-After"]) > 0
    assert statuses() == [200, 429]


def test_what_a_call_computed_counts_against_the_plan(client, user, secret):
    change(monthly_compute_s=1)
    compute(user, 0.999)
    # Far more than a thousandth of a second, with this many rows.
    many = {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]] * 20000}}
    client.post(IRIS, json=many, headers=bearer(secret))
    usage.drain()
    usage.give_back_units(is_last=True)

    refused = predict_iris(client, secret)

    assert refused.status_code == 429
    assert refused.json["violated-policies"] == ["monthly-compute"]


def test_a_refused_computation_holds_no_unit_of_the_month(client, user, secret):
    change(monthly_compute_s=10)
    compute(user, 11)

    refused = predict_iris(client, secret)

    assert refused.status_code == 429
    db.session.rollback()
    assert db.session.query(MonthlyUse).one().reserved == 0


def test_me_shows_what_is_left_of_computing(client, user, secret):
    change(monthly_compute_s=10)
    compute(user, 2.5)

    me = client.get("/api/v1/me", headers=bearer(secret)).json

    assert me["plan"] == "default"
    assert me["compute"] == {
        "limit_s": 10,
        "used_s": 2.5,
        "left_s": 7.5,
        "resets_at": me["quota"]["resets_at"],
    }


def test_a_spent_month_tells_every_protocol_not_to_retry(client, user, secret):
    use_quota(user.id, 10_000)

    native = predict_iris(client, secret)
    v2 = client.post("/v2/models/iris/infer", json=V2, headers=bearer(secret))

    for refused in (native, v2):
        assert refused.status_code == 429
        assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("size", [MIB + 1, 11 * MIB])
@pytest.mark.parametrize("how", ["whole", "chunked"])
def test_a_longer_body_than_the_plan_takes_is_413(client, secret, how, size):
    change(max_upload_mb=1)
    headers = bearer(secret) | {"Content-Type": "application/octet-stream"}
    body = {"data": b"x" * size}
    if how == "chunked":
        headers["Transfer-Encoding"] = "chunked"
        body = {"input_stream": io.BytesIO(b"x" * size)}

    refused = client.post(FILE_TYPE, headers=headers, **body)

    assert refused.status_code == 413
    assert "larger than 1 MB, the most that your plan takes" in refused.json["detail"]
    assert statuses() == [413]


def test_a_body_as_long_as_the_plan_takes_is_read(client, secret):
    change(max_upload_mb=1)
    headers = bearer(secret) | {"Content-Type": "application/octet-stream"}

    answer = client.post(FILE_TYPE, headers=headers, data=b"x" * MIB)

    assert answer.status_code == 200


def test_the_other_protocols_hold_the_length_too(client, secret):
    change(max_upload_mb=1)
    long = {"id": "x" * MIB}

    v2 = client.post("/v2/models/iris/infer", json=V2 | long, headers=bearer(secret))
    v1 = client.post(
        "/v1/embeddings",
        json={"model": "x", "input": "y" * MIB},
        headers=bearer(secret),
    )

    assert (v2.status_code, v1.status_code) == (413, 413)
    assert "your plan takes" in v2.json["error"]
    assert "your plan takes" in v1.json["error"]["message"]


def test_a_smaller_limit_of_the_portal_is_the_one_that_is_named(client, secret):
    change(max_upload_mb=10)
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE plans SET max_upload_mb = 50")

    refused = client.post(
        FILE_TYPE,
        headers=bearer(secret) | {"Content-Type": "application/octet-stream"},
        data=b"x" * (11 * MIB),
    )

    assert "larger than 10 MB, the most that is taken" in refused.json["detail"]


def send_file(client, content):
    """Send the form of the model file-type; werkzeug would leave its draft open."""
    names = [
        ('name="csrf_token"', csrf_token(client, "/models/file-type").encode()),
        ('name="file"; filename="x.bin"', content),
    ]
    body = b"".join(
        f"--cut\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode()
        + value
        + b"\r\n"
        for name, value in names
    )
    return client.post(
        "/models/file-type/predictions",
        data=body + b"--cut--\r\n",
        content_type="multipart/form-data; boundary=cut",
    )


def test_the_playground_holds_the_length_and_a_visitor_has_none(client, browser):
    change(max_upload_mb=1)

    refused = send_file(browser, b"x" * MIB)
    answer = send_file(client, b"x" * MIB)

    assert refused.status_code == 413
    assert "larger than 1 MB, the most that your plan takes" in refused.text
    assert answer.status_code == 200


def test_a_model_that_the_plan_leaves_out_is_403(client, secret):
    change(models=["ocr", "mrz"])

    native = predict_iris(client, secret)
    v2 = client.post("/v2/models/iris/infer", json=V2, headers=bearer(secret))
    seen = client.get("/api/v1/models/iris", headers=bearer(secret))

    sentence = "Your plan “default” does not include the model iris."
    assert (native.status_code, v2.status_code) == (403, 403)
    assert native.json["detail"] == v2.json["error"] == sentence
    assert seen.status_code == 200
    assert statuses() == [403, 403]


def test_a_model_that_the_plan_names_is_answered(client, secret):
    change(models=["iris"])

    assert predict_iris(client, secret).status_code == 200


def test_the_page_says_that_the_plan_leaves_the_model_out(client, browser):
    change(models=["ocr"])
    page = browser.get("/models/iris")
    refused = run(browser, features="[[5.1, 3.5, 1.4, 0.2]]")

    said = "Your plan “default” does not include this model."
    assert said in page.text
    assert ">Run<" not in page.text.replace("\n", "")
    assert refused.status_code == 403
    assert "does not include the model iris" in refused.text
    # A visitor has no plan.
    assert said not in client.get("/models/iris").text
    assert run(client, features="[[5.1, 3.5, 1.4, 0.2]]").status_code == 200


def test_a_model_has_a_rate_of_its_own_for_each_caller(client, secret):
    publish_iris(rate="2/minute")
    answers = [call(client, secret) for _ in range(3)]
    elsewhere = predict_iris(client, secret)
    eve = make_key(make_user("eve@example.org"))[1]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = answers[2]
    assert refused.json["violated-policies"] == ["model-per-minute"]
    assert (
        "more than 2 calls per minute for the model limited" in refused.json["detail"]
    )
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert "x-should-retry" not in refused.headers
    for answer in answers:
        assert answer.headers["RateLimit-Policy"] == (
            '"per-minute";q=60;w=60, "per-hour";q=2000;w=3600, '
            '"model-per-minute";q=2;w=60'
        )
    assert '"model-per-minute";r=0;' in answers[1].headers["RateLimit"]
    assert answers[0].headers["X-RateLimit-Remaining"] == "1"
    # The call that the model refused used nothing of the plan's rate.
    assert elsewhere.headers["X-RateLimit-Remaining"] == "57"
    assert call(client, eve).status_code == 200


def test_an_older_version_is_no_way_around_the_rate(client, secret):
    publish_iris()
    publish_iris(rate="1/minute")

    first = call(client, secret)
    second = client.post(
        "/api/v1/models/limited/versions/1/predict",
        json=SETOSA,
        headers=bearer(secret),
    )

    assert (first.status_code, second.status_code) == (200, 429)


def test_the_other_ways_in_meet_the_same_rate(client, browser, secret):
    publish_iris(rate="1/minute")

    first = run(browser, "limited", features="[[5.1, 3.5, 1.4, 0.2]]")
    refused = run(browser, "limited", features="[[5.1, 3.5, 1.4, 0.2]]")
    v2 = client.post("/v2/models/limited/infer", json=V2, headers=bearer(secret))

    assert [one.status_code for one in (first, refused, v2)] == [200, 429, 429]
    assert "for the model limited" in refused.text
    assert "for the model limited" in v2.json["error"]


def test_the_rate_of_a_model_is_shown(client):
    publish_iris(rate="10 per minute")

    shown = client.get("/api/v1/models/limited").json["limits"]
    none = client.get("/api/v1/models/iris").json["limits"]

    assert shown["model_rate"] == "10/minute"
    assert none["model_rate"] is None
    assert "at most 10/minute for each caller" in client.get("/models/limited").text
    assert "10/minute" in client.get("/docs/models/limited").text


@pytest.mark.parametrize("rate", ["often", "0/minute", "1/minute;2/minute"])
def test_a_rate_that_is_none_is_refused_when_publishing(app, rate):
    with pytest.raises(ManifestInvalid, match=r"limits.rate: .*60/minute"):
        publish_iris(rate=rate)


def test_the_rate_of_a_model_is_counted_in_redis(pg_app):
    publish_iris(rate="3/minute")
    _, secret = make_key(make_user())
    answers = [call(pg_app.test_client(), secret).status_code for _ in range(2)]
    parts().rates._leases.begin_afresh()  # noqa: SLF001 - as in another worker

    answers += [call(pg_app.test_client(), secret).status_code for _ in range(3)]

    assert answers == [200, 200, 200, 429, 429]
