"""What a version takes of the machine is measured and kept."""

import json
from dataclasses import replace

import pytest

from portal import catalog, extensions
from portal.runtime import STEPS, Batching, FileRefused, Measurement
from tests import onnx_files
from tests.measured import MEASUREMENT
from tests.published import publish_iris


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "cats.onnx"
    path.write_bytes(onnx_files.adder())
    return path


@pytest.fixture
def models(runner):
    """Return a function that runs `flask models` with arguments."""

    def models(*arguments):
        return runner.invoke(args=["models", *map(str, arguments)])

    return models


def shown(models, name="cats"):
    """Return what is kept of each version of *name*."""
    model = json.loads(models("show", name, "--json").stdout)
    return [version["measured"] for version in model["versions"]]


def test_publishing_measures_and_keeps_what_was_found(models, path):
    result = models("publish", path)

    (kept,) = shown(models)
    assert result.exit_code == 0
    assert "calls a second" in result.stderr
    assert "calls a second" in models("show", "cats").stdout
    assert kept["runs"] > 0
    assert tuple(kept["durations"]) == STEPS
    assert kept["durations"]["total"]["count"] == kept["runs"]
    assert kept["load_ms"] > 0
    assert kept["memory_bytes"] >= path.stat().st_size
    assert kept["has_example"] is False
    assert kept["safe_per_s"] > 0


def test_what_was_measured_is_not_measured_again_by_publishing_it(models, path):
    models("publish", path)
    kept = shown(models)

    models("publish", path)

    assert shown(models) == kept


def test_publishing_without_measuring_keeps_nothing(models, path):
    result = models("publish", path, "--no-measure")

    assert "calls a second" not in result.stderr
    assert shown(models) == [None]


def test_what_can_not_be_measured_is_published_and_says_why(models, path):
    path.write_bytes(onnx_files.picky_lookup())

    result = models("publish", path)

    assert result.exit_code == 0
    assert "cats version 1 is live." in result.stdout
    assert (
        "Not measured: cats version 1 could not be run: it refuses made-up values; "
        "give it an example" in result.stderr
    )
    assert shown(models) == [None]


def test_an_older_version_is_measured_by_its_number(models, path):
    models("publish", path, "--no-measure")
    path.write_bytes(onnx_files.adder(2))
    models("publish", path, "--no-measure")

    result = models("measure", "cats", 1, "--json")

    first, second = shown(models)
    assert json.loads(result.stdout) == first
    assert second is None


def test_measuring_a_version_that_is_not_there_is_refused(models, path):
    models("publish", path, "--no-measure")

    result = models("measure", "cats", 2)

    assert result.exit_code == 1
    assert result.stderr == "Error: The model cats has no version 2.\n"


def test_the_example_is_what_runs(publish, folder):
    version = publish(folder)

    measured = catalog.measure(version, extensions.config())

    assert measured.has_example


def test_what_was_measured_before_stays_when_measuring_fails(publish, path, stored):
    version = publish(path)
    before = catalog.measure(version, extensions.config())
    spec = catalog.version_spec(version, extensions.config())
    spec.files["model"].chmod(0o600)
    spec.files["model"].write_bytes(b"damaged")

    with pytest.raises(FileRefused, match="cats version 1 could not be run"):
        catalog.measure(version, extensions.config())

    assert version.measurement.to_json() == before.to_json()


def test_a_new_measurement_takes_the_place_of_the_old_one(pg_app):
    version = publish_iris()

    for _ in range(2):
        measured = catalog.measure(version, extensions.config())

    assert version.measurement.to_json() == measured.to_json()


def test_an_isolated_version_is_measured_with_one_run_per_web_process(publish, path):
    version = publish(path, assignments=("limits.isolated=true",))

    measured = catalog.measure(version, extensions.config())

    assert measured.cores == extensions.config().workers == 1


def test_safe_are_four_fifths_of_what_the_cores_give():
    # 4 cores, 8 ms of a run and 2 ms of the portal: 400 calls a second.
    assert MEASUREMENT.safe_per_s == pytest.approx(320)
    assert replace(MEASUREMENT, run_ms=38.0).safe_per_s == pytest.approx(80)


def test_a_measurement_is_kept_whole():
    assert Measurement.from_json(MEASUREMENT.to_json()) == MEASUREMENT


def test_calls_are_joined_where_publishing_finds_that_it_pays(models, path):
    path.write_bytes(onnx_files.slow_adder(5000))

    result = models(
        "publish", path, "--set", "batching.max=4", "--set", "batching.max_wait_ms=3"
    )

    (kept,) = shown(models)
    assert "batching: on (alone " in result.stderr
    assert kept["batching"]["is_on"] is True
    assert kept["batching"]["joined"] == 4
    version = catalog.find_model("cats", viewer=None).live
    spec = catalog.version_spec(version, extensions.config())
    assert spec.batching == Batching(max=4, max_wait_ms=3)


def test_calls_are_not_joined_where_it_does_not_pay(models, path):
    result = models("publish", path, "--set", "batching.max=4")

    assert "batching: off, since it gives " in result.stderr
    version = catalog.find_model("cats", viewer=None).live
    assert catalog.version_spec(version, extensions.config()).batching is None


def test_a_process_of_its_own_takes_one_call_at_a_time(publish, path):
    version = publish(path, assignments=("limits.isolated=true", "batching.max=4"))

    measured = catalog.measure(version, extensions.config())

    assert measured.batching.why_not == "its own process takes one call at a time"


def test_what_does_not_ask_to_be_joined_is_not(publish, path):
    version = publish(path)

    measured = catalog.measure(version, extensions.config())

    assert measured.batching is None
    assert "batching" not in version.manifest


def test_calls_are_not_joined_before_that_was_measured(publish, path):
    version = publish(path, assignments=("batching.max=4",))

    assert version.wanted_batching == Batching(max=4, max_wait_ms=2.0)
    assert version.batching is None


@pytest.mark.parametrize(
    "assignment", ["max=1", "max=1025", "max_wait_ms=5", "max_wait_ms=-1", "size=8"]
)
def test_a_wrong_table_is_refused(models, path, assignment):
    result = models("publish", path, "--set", f"batching.{assignment}")

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: model.toml: batching.")
