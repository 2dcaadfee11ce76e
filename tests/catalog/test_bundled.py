"""The models that come with the portal."""

import pytest

from portal import catalog
from portal.catalog import publish_bundled
from portal.db import db
from portal.extensions import config, parts, store_dir
from portal.runtime import InputKind, OutputKind, ParameterKind

pytestmark = pytest.mark.slow


def declared(name):
    return catalog.find_model(name, viewer=None).live.description


def test_they_are_public_and_have_a_title_a_card_and_a_licence(bundled_app):
    models = catalog.list_public()

    assert [model.name for model in models] == ["file-type", "iris", "mrz", "ocr"]
    for model in models:
        assert model.live_number == 1
        assert model.live.title
        assert model.live.summary
        assert model.live.licence == "Apache-2.0"
        assert len(model.live.card) > 200


def test_they_are_published_once(bundled_app):
    again = publish_bundled(config())

    assert again == []
    assert [len(model.versions) for model in catalog.list_all()] == [1, 1, 1, 1]


def test_a_withdrawn_one_stays_withdrawn(bundled_app):
    catalog.withdraw(catalog.find_any("iris"))
    db.session.commit()

    publish_bundled(config())

    assert [m.name for m in catalog.list_public()] == ["file-type", "mrz", "ocr"]


def test_one_that_the_owner_published_under_that_name_is_left_alone(
    app, publish, onnx_file, monkeypatch, tmp_path
):
    for name in ("iris", "mrz", "ocr", "file-type"):
        publish(onnx_file, name=name)

    publish_bundled(config())

    assert catalog.find_any("iris").live.title == "Iris"
    assert len(catalog.find_any("iris").versions) == 1


def test_the_command_publishes_what_is_missing_and_nothing_twice(bundled_app):
    result = bundled_app.test_cli_runner().invoke(args=["models", "publish-bundled"])

    assert result.exit_code == 0
    assert result.stdout == ""


def test_ocr_takes_a_picture_and_gives_lines(bundled_app):
    description = declared("ocr")

    assert [(i.name, i.kind) for i in description.inputs] == [
        ("image", InputKind.IMAGE)
    ]
    assert [(p.name, p.kind, p.default) for p in description.parameters] == [
        ("min_score", ParameterKind.FLOAT, 0.5)
    ]
    assert [(o.name, o.kind) for o in description.outputs] == [
        ("lines", OutputKind.LINES)
    ]


def test_mrz_takes_a_picture_and_gives_lines_and_fields(bundled_app):
    description = declared("mrz")

    assert [(i.name, i.kind) for i in description.inputs] == [
        ("image", InputKind.IMAGE)
    ]
    assert [(p.name, p.kind, p.default) for p in description.parameters] == [
        ("center_crop", ParameterKind.BOOL, False),
        ("postprocess", ParameterKind.BOOL, True),
    ]
    assert [(o.name, o.kind) for o in description.outputs] == [
        ("lines", OutputKind.LINES),
        ("fields", OutputKind.FIELDS),
    ]


def test_mrz_is_made_of_the_files_of_ocr(bundled_app):
    def digests(name):
        files = catalog.find_any(name).live.manifest["files"]
        return {role: file["sha256"] for role, file in files.items()}

    assert digests("mrz") == digests("ocr")


def test_file_type_takes_a_file_and_gives_labels(bundled_app):
    description = declared("file-type")

    assert [(i.name, i.kind) for i in description.inputs] == [("file", InputKind.FILE)]
    assert [(p.name, p.kind, p.default) for p in description.parameters] == [
        ("top", ParameterKind.INT, 5)
    ]
    assert [(o.name, o.kind) for o in description.outputs] == [
        ("labels", OutputKind.LABELS)
    ]


def test_iris_takes_four_measurements_and_gives_labels_and_probabilities(bundled_app):
    description = declared("iris")

    (features,) = description.inputs
    assert (features.name, features.kind) == ("features", InputKind.TENSOR)
    assert features.tensor.dtype == "float32"
    assert features.tensor.shape == ("N", 4)
    assert description.parameters == ()
    assert [(o.name, o.kind) for o in description.outputs] == [
        ("labels", OutputKind.LABELS),
        ("probabilities", OutputKind.TENSOR),
    ]
    assert description.outputs[1].tensor.shape == ("N", 3)


@pytest.mark.parametrize(
    ("number", "species"), [(1, "setosa"), (2, "versicolor"), (3, "virginica")]
)
def test_iris_names_the_species_of_its_examples(bundled_app, number, species):
    version = catalog.find_model("iris", viewer=None).live
    values = catalog.example_values(version, number, config())
    loaded = parts().pool.get(catalog.version_spec(version, config()))

    outputs = loaded.predict(values, {}).outputs

    assert outputs["labels"][0]["label"] == species
    assert outputs["labels"][0]["score"] > 0.6
    assert sum(outputs["probabilities"]["data"][0]) == pytest.approx(1, abs=1e-5)


def test_each_shows_a_real_result_before_anybody_runs_it(bundled_app):
    results = {m.name: m.live.example_result["outputs"] for m in catalog.list_public()}

    assert results["file-type"]["labels"][0]["label"] == "python"
    assert results["iris"]["labels"][0]["label"] == "setosa"
    assert "HARBOUR BAKERY" in [line["text"] for line in results["ocr"]["lines"]]
    assert results["mrz"]["fields"]["surname"]["value"] == "ERIKSSON"


def test_every_file_of_theirs_is_in_the_store(bundled_app):
    files = [
        file["sha256"]
        for model in catalog.list_all()
        for file in model.live.manifest["files"].values()
    ]

    assert len(files) == 9
    for digest in files:
        assert (store_dir(config()) / digest[:2] / digest).is_file()
