"""A portal whose model lives on another portal, both as their owners run them."""

import shutil
import time
from contextlib import contextmanager

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from portal import catalog
from portal.app import create_app
from portal.db import db
from tests import onnx_files
from tests.api.open_inference.calling import ARRAYS, DATATYPES
from tests.conftest import make_config
from tests.factories import make_key, make_user
from tests.servers import Portal

pytestmark = pytest.mark.slow


@contextmanager
def opened(portal, migrated_sqlite):
    """Open the empty data folder of *portal* from this process."""
    portal.data_dir.mkdir()
    shutil.copy(migrated_sqlite, portal.data_dir / "portal.sqlite3")
    tokens = portal.environ.get("PORTAL_REMOTE_TOKENS", "")
    config = make_config(portal.data_dir, PORTAL_REMOTE_TOKENS=tokens)
    with create_app(config).app_context():
        yield config
        db.session.commit()
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def there(migrated_sqlite, tmp_path_factory):
    """Return the portal that holds the models, private ones, and a key of it."""
    folder = tmp_path_factory.mktemp("there")
    models = {"types": onnx_files.many_types(), "loop": onnx_files.counting_loop()}
    portal = Portal.bare()
    with opened(portal, migrated_sqlite) as config:
        ada = make_user(role="owner")
        for name, content in models.items():
            path = folder / f"{name}.onnx"
            path.write_bytes(content)
            private = catalog.Overrides(visibility="private")
            catalog.publish(path, config=config, overrides=private, owner=ada)
        _, secret = make_key(ada)
    with portal:
        yield portal, secret


@pytest.fixture(scope="module")
def here(there, migrated_sqlite, tmp_path_factory):
    """Return the portal that is called, and a key of it."""
    other, key = there
    authority = other.base_url.removeprefix("http://")
    portal = Portal.bare(PORTAL_REMOTE_TOKENS=f"{authority}={key}")
    with opened(portal, migrated_sqlite) as config:
        for name in ("types", "loop"):
            folder = tmp_path_factory.mktemp(name)
            (folder / "model.toml").write_text(
                f'name = "{name}"\n[limits]\ntimeout_s = 3\n'
                f'[remote]\nurl = "{other.base_url}"\nmodel = "{name}"\n'
            )
            catalog.publish(folder, config=config, allows_remote=True)
        _, secret = make_key(make_user())
    with portal:
        yield portal, secret


@pytest.fixture
def client(here):
    portal, secret = here
    with triton.InferenceServerClient(portal.base_url.removeprefix("http://")) as one:
        yield one, {"Authorization": f"Bearer {secret}"}


def sent(arrays, *, is_binary):
    inputs = []
    for name, array in arrays.items():
        one = triton.InferInput(name, list(array.shape), DATATYPES[array.dtype.name])
        one.set_data_from_numpy(array, binary_data=is_binary)
        inputs.append(one)
    return inputs


def test_the_other_portal_is_asked_for_bytes(here):
    portal, _ = here

    shown = portal.flask("models", "show", "types", "--json").stdout

    assert '"is_binary": true' in shown


def test_tritons_client_gets_every_type_through_two_portals(client):
    one, headers = client

    answer = one.infer("types", sent(ARRAYS, is_binary=True), headers=headers)

    for name, array in ARRAYS.items():
        found = answer.as_numpy(f"{name}_out")
        if array.dtype == object:
            found = np.array([text.decode() for text in found], dtype=object)
        np.testing.assert_array_equal(found, array)


def test_a_call_that_takes_too_long_there_is_ended_here(client):
    one, headers = client
    forever = {"x": np.array([1e15], dtype="float32")}
    began = time.monotonic()

    with pytest.raises(InferenceServerException) as refused:
        one.infer("loop", sent(forever, is_binary=True), headers=headers)

    assert "504" in str(refused.value.status())
    assert time.monotonic() - began < 10


def test_while_the_other_portal_is_away_this_one_serves_and_then_both_do(there, here):
    other, _ = there
    portal, secret = here
    call = (f"{portal.base_url}/api/v1/models/loop/predict", {"inputs": {"x": [2]}})

    def predict():
        headers = {"Authorization": f"Bearer {secret}"}
        return requests.post(call[0], json=call[1], headers=headers, timeout=10)

    assert predict().json()["outputs"]["y"]["data"] == [2]
    other.stop()
    refused = [predict() for _ in range(5)]
    ready = requests.get(f"{portal.base_url}/readyz", timeout=5)
    other.start()
    ends_at = time.monotonic() + 10
    while (back := predict()).status_code != 200 and time.monotonic() < ends_at:
        time.sleep(0.5)

    assert {answer.status_code for answer in refused} == {503}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "remote_models_away": 1}
    assert back.json()["outputs"]["y"]["data"] == [2]
