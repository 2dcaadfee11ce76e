"""Which version answers when the live one can't, or takes too long."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete

from portal import catalog, inference
from portal.app import create_app
from portal.catalog.tables import VersionTiming
from portal.db import db
from portal.extensions import config as running_config
from portal.extensions import parts
from portal.runtime.deadline import Deadline
from portal.runtime.scheduler import Busy
from tests import onnx_files
from tests.counted import records, statuses
from tests.factories import log_in, make_key, make_user

PREDICT = "/api/v1/models/cats/predict"
ROW = {"inputs": {"x": [[1, 2]]}}


@pytest.fixture
def secret(app):
    return make_key(make_user("ada@example.org"))[1]


def publish(folder, content, *assignments):
    path = folder / "cats.onnx"
    path.write_bytes(content)
    version, _ = catalog.publish(
        path,
        config=running_config(),
        overrides=catalog.Overrides(assignments=assignments),
    )
    db.session.commit()
    return version


def stored_file(version):
    spec = catalog.version_spec(version, running_config())
    return spec.files["model"]


def damage(version):
    path = stored_file(version)
    path.chmod(0o600)
    path.write_bytes(b"junk")


def call(client, secret, document=ROW, path=PREDICT):
    headers = {"Authorization": f"Bearer {secret}"}
    return client.post(path, json=document, headers=headers)


def answered(answer):
    assert answer.status_code == 200, answer.text
    return answer.json["version"], answer.json["outputs"]["y"]["data"]


def test_a_new_version_that_can_not_be_loaded_leaves_the_old_one_serving(
    app, client, secret, tmp_path
):
    publish(tmp_path, onnx_files.adder(1))
    call(client, secret)
    second = publish(tmp_path, onnx_files.adder(2))
    damage(second)

    answers = [answered(call(client, secret)) for _ in range(3)]

    assert answers == [(1, [[2.0, 3.0]])] * 3
    assert (
        call(client, secret, path=f"{PREDICT[:-8]}/versions/2/predict").status_code
        == 503
    )
    told = [(record.version, record.status) for record in records()]
    assert told == [(1, 200)] * 4 + [(2, 503)]


def test_after_a_restart_the_version_that_was_live_before_answers(
    app, client, secret, tmp_path, config
):
    publish(tmp_path, onnx_files.adder(1))
    damage(publish(tmp_path, onnx_files.adder(2)))

    anew = create_app(config)
    answer = call(anew.test_client(), secret)

    assert answered(answer) == (1, [[2.0, 3.0]])


def test_a_mended_file_is_used_at_the_next_call(app, client, secret, tmp_path):
    publish(tmp_path, onnx_files.adder(1))
    second = publish(tmp_path, onnx_files.adder(2))
    damage(second)
    assert answered(call(client, secret))[0] == 1

    stored_file(second).write_bytes(onnx_files.adder(2))

    assert answered(call(client, secret)) == (2, [[3.0, 4.0]])


def test_the_page_falls_back_too(app, client, tmp_path):
    publish(tmp_path, onnx_files.adder(1))
    damage(publish(tmp_path, onnx_files.adder(2)))
    page = client.get("/models/cats")
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]

    answer = client.post(
        "/models/cats/predictions", data={"csrf_token": token, "x": "[[1, 2]]"}
    )

    assert answer.status_code == 200
    assert "<td>2" in answer.text or ">2.0<" in answer.text or "2, 3" in answer.text


def test_without_another_version_the_model_is_unavailable_and_no_other(
    app, client, secret, tmp_path
):
    damage(publish(tmp_path, onnx_files.adder(1)))

    broken = call(client, secret)
    whole = call(
        client,
        secret,
        {"inputs": {"features": [[5.1, 3.5, 1.4, 0.2]]}},
        "/api/v1/models/iris/predict",
    )

    assert broken.status_code == 503
    assert int(broken.headers["Retry-After"]) >= 1
    assert whole.status_code == 200


def test_a_model_that_never_ends_is_answered_504_at_its_time_limit(
    app, client, secret, tmp_path
):
    publish(tmp_path, onnx_files.counting_loop(), "limits.timeout_s=0.3")

    answer = call(client, secret, {"inputs": {"x": [1e15]}})

    assert answer.status_code == 504
    assert answer.json["type"] == "/docs/errors#timed-out"
    assert "0.3 seconds" in answer.json["detail"]
    assert statuses() == [504]


def test_a_time_limit_of_nonsense_is_refused(app, tmp_path):
    for assignment in (
        "limits.timeout_s=0",
        "limits.timeout_s=nan",
        "limits.timeout_s=1e9",
        "limits.timeout_s=soon",
        "limits.rate=5",
    ):
        with pytest.raises(catalog.ManifestInvalid, match="limits"):
            publish(tmp_path, onnx_files.adder(), assignment)


def test_a_version_without_limits_keeps_its_digest(app, tmp_path):
    first = publish(tmp_path, onnx_files.adder())

    again = publish(tmp_path, onnx_files.adder(), "limits.timeout_s=30")

    assert again.number == first.number
    assert parts().pool.failure(catalog.version_spec(first, running_config())) is None


def test_the_owner_sees_which_version_can_not_be_loaded(app, client, secret, tmp_path):
    log_in(client, make_user("owner@example.org", role="owner"))
    publish(tmp_path, onnx_files.adder(1))
    second = publish(tmp_path, onnx_files.adder(2))
    damage(second)
    assert "be loaded" not in client.get("/admin/models/cats").text

    call(client, secret)

    page = client.get("/admin/models/cats").text
    assert "Version 2 can’t be loaded since" in page
    assert "Version 1 answers in its place" in page
    assert "Can’t be loaded" in client.get("/admin/models").text
    stored_file(second).write_bytes(onnx_files.adder(2))
    call(client, secret)
    assert "be loaded" not in client.get("/admin/models/cats").text


def test_the_gallery_shows_a_model_that_can_not_answer_as_offline(
    app, client, secret, tmp_path
):
    damage(publish(tmp_path, onnx_files.adder(1)))
    assert "Online" in client.get("/models/cats").text

    assert call(client, secret).status_code == 503

    assert "Offline" in client.get("/models/cats").text


@pytest.fixture
def busy_cats(app, tmp_path):
    """The model cats, all of whose places are held."""
    version = publish(tmp_path, onnx_files.adder(1))
    loaded = parts().pool.get(catalog.version_spec(version, running_config()))
    let_go = threading.Event()

    def hold():
        with loaded.lane.turn(Deadline(30)):
            let_go.wait(30)

    with ThreadPoolExecutor(20) as threads:
        while not is_full(loaded.lane):
            held = loaded.lane.held
            threads.submit(hold)
            while loaded.lane.held == held:
                time.sleep(0.001)
        yield loaded
        let_go.set()


def is_full(lane):
    try:
        lane.refuse_if_full()
    except Busy:
        return True
    return False


@pytest.mark.parametrize(
    "path",
    [PREDICT, PREDICT.replace("cats", "cats/versions/1"), "/v2/models/cats/infer"],
)
def test_a_busy_model_refuses_before_the_body_is_parsed(
    client, secret, busy_cats, path
):
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    answer = client.post(path, data=b"{ no JSON", headers=headers)

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "busy" in answer.json["detail"]
    assert statuses() == [503]
    assert busy_cats.statistics.read().failures == 1


def test_what_a_call_took_is_kept_behind_it(client, tmp_path, secret):
    version = publish(tmp_path, onnx_files.adder())
    answered(call(client, secret))

    inference.finish()

    tally = catalog.lately([version])[version.id]
    assert tally.calls == 1
    assert tally.durations["total"].p50_ms > 0


def test_nothing_is_kept_of_what_was_kept_already(client, tmp_path, secret):
    version = publish(tmp_path, onnx_files.adder())
    answered(call(client, secret))
    inference.finish()
    db.session.execute(delete(VersionTiming))
    db.session.commit()

    inference.finish()

    assert catalog.lately([version]) == {}


def test_calls_are_joined_as_the_measurement_says(client, tmp_path, secret):
    version = publish(tmp_path, onnx_files.slow_adder(5000), "batching.max=4")
    assert answered(call(client, secret)) == (1, [[5001.0, 5002.0]])
    catalog.measure(version, running_config())
    db.session.commit()

    assert answered(call(client, secret)) == (1, [[5001.0, 5002.0]])

    (loaded,) = parts().pool.loaded()
    assert loaded.lane.batch == 4
