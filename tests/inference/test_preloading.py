"""What the workers share: loaded before they are forked."""

import os

import numpy as np
import pytest

from portal import catalog, inference
from portal.app import create_app
from portal.db import db, now
from portal.extensions import config as running_config
from portal.extensions import parts
from tests.conftest import make_config
from tests.counted import add_call
from tests.published import copy_store

IRIS = {"features": np.array([[5.1, 3.5, 1.4, 0.2]], dtype=np.float32)}


@pytest.fixture
def config(published, tmp_path, redis_server):
    """Return the settings of ``app``: two workers, so there is memory to share."""
    copy_store(published, tmp_path)
    return make_config(tmp_path, PORTAL_REDIS_URL=redis_server.url, PORTAL_WORKERS="2")


def note_calls(name, amount):
    model = catalog.find_any(name)
    add_call(now(), amount, model_id=model.id)


def in_memory():
    return [loaded.spec.model_name for loaded in parts().pool.loaded()]


def test_what_was_called_lately_is_loaded_the_most_called_first(app):
    note_calls("iris", 1)
    note_calls("file-type", 2)

    amount = inference.preload()

    assert amount == 2
    assert in_memory() == ["file-type", "iris"]


def test_what_nobody_calls_costs_nothing(app):
    assert inference.preload() == 0


def test_no_connection_is_left_for_a_fork_to_share(app):
    note_calls("iris", 1)

    inference.preload()

    assert db.engine.pool.checkedin() == db.engine.pool.checkedout() == 0


def test_a_damaged_model_does_not_hinder_the_others(app, monkeypatch):
    # A busy machine may take longer than readers are to wait for.
    monkeypatch.setattr("portal.inference.preloading.TIME_LIMIT_S", 60)
    note_calls("iris", 2)
    note_calls("file-type", 1)
    spec = catalog.version_spec(catalog.find_any("iris").live, running_config())
    spec.files["model"].unlink()

    inference.preload()

    assert in_memory() == ["file-type"]


def test_a_lost_database_does_not_hinder_the_start(app, monkeypatch):
    db.session.remove()
    db.engine.dispose()
    (running_config().data_dir / "portal.sqlite3").write_bytes(b"junk")

    assert inference.preload() == 0


@pytest.mark.parametrize(
    "environ",
    [
        {"PORTAL_WORKERS": "1"},
        {"PORTAL_WORKERS": "2", "PORTAL_INFERENCE_THREADS": "2"},
    ],
    ids=["nobody to share with", "threads that a fork would lose"],
)
def test_nothing_is_loaded_where_it_would_be_in_vain(
    config, tmp_path, redis_server, environ
):
    settings = make_config(tmp_path, PORTAL_REDIS_URL=redis_server.url, **environ)
    with create_app(settings).app_context():
        note_calls("iris", 1)

        assert inference.preload() == 0


def test_a_forked_worker_predicts_with_what_its_parent_loaded(app):
    note_calls("iris", 1)
    inference.preload()
    (loaded,) = parts().pool.loaded()

    child = os.fork()
    if child == 0:
        is_same = parts().pool.get(loaded.spec) is loaded
        best = loaded.predict(IRIS, {}).outputs["labels"][0]["label"]
        os._exit(0 if is_same and best == "setosa" else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_version_with_a_process_of_its_own_is_not_loaded_before_the_fork(app):
    note_calls("iris", 1)
    live = catalog.find_any("iris").live
    live.manifest = live.manifest | {"limits": {"isolated": True}}
    db.session.commit()

    amount = inference.preload()

    assert amount == 0
