"""From a file or a folder to a version that answers, or a sentence."""

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sqlalchemy import select, text

from portal import catalog
from portal.audit.tables import AuditEvent
from portal.catalog import ManifestInvalid, ModelNotFound, ModelVersion, Visibility
from portal.db import db
from portal.errors import Invalid, PortalError
from portal.extensions import config as running_config
from portal.extensions import parts, store_dir
from portal.runtime import FileRefused, TaskRefused
from tests import onnx_files
from tests.catalog.conftest import MANIFEST
from tests.factories import make_user

NOTHING = ([0, 0], [])


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def add_up(version):
    """Return what *version* makes of one and two, through the pool."""
    loaded = parts().pool.get(catalog.version_spec(version, running_config()))
    row = {"x": np.array([[1, 2]], dtype=np.float32)}
    return loaded.predict(row, {}).outputs["y"]["data"]


# What is published


def test_a_file_by_itself_is_published_with_names_made_from_its_own(publish, onnx_file):
    version = publish(onnx_file)

    assert version.model.name == "my-adder-v2"
    assert version.title == "My adder v2"
    assert version.task == "tensor"
    assert version.number == 1
    assert version.model.visibility == Visibility.PUBLIC
    assert version.is_live
    assert version.example_result is None
    assert add_up(version) == [[2, 3]]


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("cats.onnx", "cats"),
        ("ResNet50.v1.onnx", "resnet50-v1"),
        ("a  b__c.onnx", "a-b-c"),
        ("-x-.onnx", "x"),
        ("größe.onnx", "gr-e"),
        ("猫.onnx", "model"),
        (f"{'a' * 80}.onnx", "a" * 63),
    ],
)
def test_the_default_name_is_the_file_name_in_lower_case(
    publish, tmp_path, file_name, name
):
    path = tmp_path / file_name
    path.write_bytes(onnx_files.adder())

    version = publish(path)

    assert version.model.name == name


def test_a_folder_is_published_as_its_manifest_says(publish, folder):
    version = publish(folder)

    assert version.model.name == "adder"
    assert version.title == "An adder"
    assert version.summary == "Adds one."
    assert version.licence == "MIT"
    assert version.card == "# Adder\n\nAdds *one*.\n"
    assert version.manifest["labels"] == ["low", "high"]
    assert version.manifest["files"]["model"] == {
        "name": "adder.onnx",
        "size_bytes": len(onnx_files.adder()),
        "sha256": sha256(onnx_files.adder()),
    }
    assert [e["title"] for e in version.manifest["examples"]] == ["Small", "Large"]
    assert add_up(version) == [[2, 3]]


def test_the_first_example_is_run_and_its_result_kept(publish, folder):
    version = publish(folder)

    assert version.example_result["outputs"]["y"]["data"] == [[2, 3]]
    assert version.example_result["outputs"]["labels"][0]["label"] == "high"
    assert version.example_result["timings_ms"]["total"] > 0


def test_what_the_command_line_says_goes_before_the_manifest(publish, folder, tmp_path):
    labels = tmp_path / "other.txt"
    labels.write_text("no\nyes\n")

    version = publish(
        folder,
        name="plus-one",
        title="Plus one",
        visibility="private",
        labels=labels,
        assignments=("licence=Apache-2.0", 'summary="One, more"'),
    )

    assert version.model.name == "plus-one"
    assert version.title == "Plus one"
    assert version.model.visibility == Visibility.PRIVATE
    assert version.manifest["labels"] == ["no", "yes"]
    assert version.licence == "Apache-2.0"
    assert version.summary == "One, more"


def test_a_key_inside_a_table_can_be_set(publish, folder):
    (folder / "five.onnx").write_bytes(onnx_files.adder(5))

    version = publish(folder, assignments=("files.model=five.onnx",))

    assert add_up(version) == [[6, 7]]


def test_publishing_is_written_into_the_audit_log(publish, onnx_file):
    ada = make_user(role="publisher")

    version = publish(onnx_file, owner=ada)

    (event,) = db.session.scalars(
        select(AuditEvent).where(AuditEvent.action == "model.published")
    )
    assert event.subject == f"model:{version.model.name}"
    assert event.actor_id == ada.id
    assert version.model.owner_id == ada.id


@pytest.mark.parametrize(
    ("content", "example"),
    [
        (onnx_files.root(), "[4, -1]"),
        (onnx_files.echo("str"), '["a\\u0000b", "ä"]'),
        (onnx_files.echo("float32", []), "2.5"),
    ],
    ids=["NaN", "NUL", "scalar"],
)
@pytest.mark.parametrize("portal", ["app", "pg_app"])
def test_whatever_the_example_gives_can_be_stored(
    request, tmp_path, portal, content, example
):
    request.getfixturevalue(portal)
    (tmp_path / "model.toml").write_text(
        'name = "odd"\n[files]\nmodel = "odd.onnx"\n'
        f'[[examples]]\ntitle = "Odd"\ninputs = {{ x = {example} }}\n'
    )
    (tmp_path / "odd.onnx").write_bytes(content)

    version, _ = catalog.publish(tmp_path, config=running_config())
    db.session.commit()
    db.session.refresh(version)

    outputs = version.example_result["outputs"]
    assert outputs["y"]["data"] in ([2.0, None], ["a\x00b", "ä"], 2.5)


# Versions


def test_the_same_again_is_no_new_version(publish, folder, stored):
    first = publish(folder)
    before = stored()

    again = publish(folder)

    assert again.id == first.id
    assert again.digest == first.digest
    assert stored() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "adder.onnx").write_bytes(onnx_files.adder(7)),
        lambda folder: (folder / "card.md").write_text("# Another\n"),
        lambda folder: (folder / "labels.txt").write_text("few\nmany\n"),
        lambda folder: (folder / "model.toml").write_text(
            MANIFEST.replace("Adds one.", "Adds 1.")
        ),
    ],
    ids=["file", "card", "labels", "manifest"],
)
def test_whatever_changes_makes_a_new_version_that_is_live(publish, folder, change):
    first = publish(folder)
    change(folder)

    second = publish(folder)

    assert second.number == 2
    assert second.digest != first.digest
    assert second.is_live
    assert not first.is_live
    assert [v.number for v in catalog.find_any("adder").versions] == [1, 2]


def test_an_old_version_published_again_is_live_again(publish, folder):
    first = publish(folder)
    (folder / "adder.onnx").write_bytes(onnx_files.adder(7))
    publish(folder)
    (folder / "adder.onnx").write_bytes(onnx_files.adder())

    again = publish(folder)

    assert again.id == first.id
    assert again.is_live
    assert len(catalog.find_any("adder").versions) == 2


def test_a_third_version_of_the_same_process_is_number_3(publish, folder):
    for amount in (1, 2, 3):
        (folder / "adder.onnx").write_bytes(onnx_files.adder(amount))
        version = publish(folder)

    assert version.number == 3


def test_visibility_is_no_part_of_a_version(publish, folder):
    first = publish(folder)

    again = publish(folder, visibility="unlisted")

    assert again.id == first.id
    assert again.model.visibility == Visibility.UNLISTED


def test_a_withdrawn_model_comes_back_when_it_is_published_again(publish, folder):
    version = publish(folder)
    catalog.withdraw(version.model)
    db.session.commit()
    with pytest.raises(ModelNotFound):
        catalog.find_model("adder", viewer=None)

    publish(folder)

    assert catalog.find_model("adder", viewer=None).live.id == version.id


def test_files_are_stored_once_by_their_own_sha256(publish, folder, stored):
    publish(folder)
    publish(folder, name="second")
    publish(folder, name="third", title="Third")

    _, files = stored()

    assert files == [sha256(onnx_files.adder())]


def test_a_stored_file_is_whole_and_may_be_read(publish, onnx_file, config):
    publish(onnx_file)

    digest = sha256(onnx_files.adder())
    path = store_dir(config) / digest[:2] / digest
    assert path.read_bytes() == onnx_files.adder()
    assert path.stat().st_mode & 0o777 == 0o644


# What is refused


def refuse(publish, path, **overrides):
    with pytest.raises(PortalError) as refused:
        publish(path, **overrides)
    db.session.rollback()
    return refused.value


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"just text\n", "cats.onnx is not an ONNX file"),
        (b"", "cats.onnx is empty."),
        (onnx_files.truncated(), "cats.onnx is not an ONNX file, or only a part"),
        (onnx_files.map_output(), "cats.onnx has the output y of the type seq(map("),
        (onnx_files.external_weights(), "cats.onnx keeps its weights in another"),
        (onnx_files.unknown_domain(), "cats.onnx needs operators of the domain"),
    ],
    ids=["text", "empty", "truncated", "map", "external data", "unknown domain"],
)
def test_a_file_that_cannot_be_served_leaves_nothing_behind(
    publish, stored, tmp_path, content, sentence
):
    path = tmp_path / "cats.onnx"
    path.write_bytes(content)

    refused = refuse(publish, path)

    assert isinstance(refused, FileRefused)
    assert sentence in str(refused)
    assert stored() == NOTHING


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ('name = "adder"', "", "model.toml: name: Field required."),
        ('name = "adder"', 'name = "Adder!"', "'Adder!' can't be a model's name"),
        ('name = "adder"', 'name = "stats"', "'stats' can't be a model's name"),
        ('name = "adder"', 'name = "-a"', "'-a' can't be a model's name"),
        ('name = "adder"', 'name = ""', "'' can't be a model's name"),
        ('name = "adder"', f'name = "{"a" * 64}"', "can't be a model's name"),
        ('name = "adder"', "name = 7", "model.toml: name: Input should be a valid"),
        ('name = "adder"', 'name = "a\\n"', "can't be a model's name"),
        (
            'title = "An adder"',
            'heading = "x"',
            "heading: is not a key of the manifest.",
        ),
        ('title = "An adder"', "title = [", "model.toml is not valid TOML: "),
        ("Adds one.", "x" * 201, "model.toml: summary: String should have at most"),
        ('"MIT"', '"MIT"\nvisibility = "secret"', "model.toml: visibility: Input"),
        ('"MIT"', '"MIT"\ntask = "chess"', "There is no task chess; there are: "),
        ('"MIT"', '"MIT"\ntask = "ocr"', "The task ocr needs the files detection,"),
        ("[files]", '[files]\nextra = "a.bin"', "[files] names extra, model."),
        ("adder.onnx", "gone.onnx", "The file gone.onnx is missing."),
        ("adder.onnx", "/etc/passwd", "/etc/passwd lies outside the folder."),
        ("adder.onnx", "../out.txt", "../out.txt lies outside the folder."),
        ("adder.onnx", "a/../../out.txt", "lies outside the folder."),
        ("adder.onnx", ".", "The file . is missing."),
        ("card.md", "gone.md", "The file gone.md is missing."),
        ("card.md", "/etc/passwd", "/etc/passwd lies outside the folder."),
        ("card.md", "../out.txt", "../out.txt lies outside the folder."),
        (
            "card.md",
            "adder.onnx",
            "The file adder.onnx can't be read as text in UTF-8.",
        ),
        ("labels.txt", "gone.txt", "The file gone.txt is missing."),
        ("labels.txt", "../out.txt", "../out.txt lies outside the folder."),
        ("labels.txt", "empty.txt", "empty.txt must hold one label per line."),
        ("labels.txt", "model.toml", "but no output whose last size is"),
        ("x = [[1, 2]]", "z = [[1, 2]]", "The example Small must give the inputs x."),
        ("x = [[1, 2]]", "", "The example Small must give the inputs x."),
        ("x = [[1, 2]]", "x = [[1, 2, 3]]", "x must have the shape [N, 2]"),
        ("x = [[1, 2]]", 'x = "small.txt"', "x must be nested lists, not a string."),
        ("x = [[1, 2]]", "x = [[nan, 2]]", "x holds a number that does not fit"),
        ("x = [[1, 2]]", "x = [[1979-05-27, 2]]", "among them came something else"),
        ('"Small"', '""', "model.toml: examples.0.title: String should have at least"),
    ],
)
def test_a_mistake_in_the_manifest_is_named_and_leaves_nothing_behind(
    publish, folder, stored, before, after, sentence
):
    (folder / "empty.txt").write_text("\n  \n")
    (folder.parent / "out.txt").write_text("a secret\n")
    assert MANIFEST.count(before) == 1
    (folder / "model.toml").write_text(MANIFEST.replace(before, after))

    refused = refuse(publish, folder)

    assert isinstance(refused, Invalid)
    assert sentence in str(refused)
    assert stored() == NOTHING


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("licence", "--set takes KEY=VALUE, such as --set licence=MIT; licence isn't."),
        ("=MIT", "--set takes KEY=VALUE"),
        ("title.short=A", "--set title.short: title is a value, not a table."),
        ("colour=red", "model.toml: colour: is not a key of the manifest."),
        ("files.model=3", "model.toml: files.model: Input should be a valid string."),
        ("name=UPPER", "'UPPER' can't be a model's name"),
    ],
)
def test_a_wrong_assignment_is_refused(publish, folder, stored, assignment, sentence):
    refused = refuse(publish, folder, assignments=(assignment,))

    assert sentence in str(refused)
    assert stored() == NOTHING


def test_a_path_that_is_not_there_is_refused(publish, tmp_path):
    refused = refuse(publish, tmp_path / "none.onnx")

    assert isinstance(refused, ManifestInvalid)
    assert "There is no file or folder" in str(refused)


def test_a_folder_without_a_manifest_is_refused(publish, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()

    refused = refuse(publish, empty)

    assert str(refused) == "The folder empty has no model.toml."


def test_labels_that_fit_no_output_are_refused(publish, onnx_file, stored, tmp_path):
    labels = tmp_path / "three.txt"
    labels.write_text("a\nb\nc\n")

    refused = refuse(publish, onnx_file, labels=labels)

    assert isinstance(refused, TaskRefused)
    assert "There are 3 labels, but no output whose last size is 3." in str(refused)
    assert stored() == NOTHING


def test_an_example_that_the_model_refuses_is_refused(publish, folder, stored):
    (folder / "model.toml").write_text(
        'name = "lookup"\n[files]\nmodel = "lookup.onnx"\n'
        '[[examples]]\ntitle = "Too far"\ninputs = { i = [7] }\n'
    )
    (folder / "lookup.onnx").write_bytes(onnx_files.lookup())

    refused = refuse(publish, folder)

    assert "The example Too far could not be run: " in str(refused)
    assert stored() == NOTHING


@pytest.mark.parametrize(
    ("content", "example", "sentence"),
    [
        (onnx_files.endless_loop(), "[1.0]", "was not done within 4 seconds"),
        (onnx_files.huge_constant(), "[1.0]", "The example Bomb"),
    ],
    ids=["a loop without an end", "forty gigabytes"],
)
def test_an_example_that_would_hang_or_eat_the_machine_is_refused(
    publish, folder, stored, monkeypatch, content, example, sentence
):
    monkeypatch.setattr("portal.runtime.sandbox.TIME_LIMIT_S", 4)
    (folder / "model.toml").write_text(
        'name = "bomb"\n[files]\nmodel = "bomb.onnx"\n'
        f'[[examples]]\ntitle = "Bomb"\ninputs = {{ x = {example} }}\n'
    )
    (folder / "bomb.onnx").write_bytes(content)

    refused = refuse(publish, folder)

    assert sentence in str(refused)
    assert stored() == NOTHING


def test_a_refused_new_version_leaves_the_old_one_live(publish, folder, stored):
    first = publish(folder)
    before = stored()
    (folder / "adder.onnx").write_bytes(onnx_files.truncated())

    refuse(publish, folder)

    assert stored() == before
    assert catalog.find_model("adder", viewer=None).live.id == first.id
    assert add_up(first) == [[2, 3]]


# At once


@pytest.mark.parametrize("portal", ["app", "pg_app"])
def test_two_versions_published_at_once_are_numbers_1_and_2(request, tmp_path, portal):
    app = request.getfixturevalue(portal)
    contents = [onnx_files.adder(1), onnx_files.adder(2)]

    outcomes = publish_at_once(app, tmp_path, contents)

    assert sorted(outcomes) == [(1, True), (2, True)]
    model = catalog.find_any("adder")
    assert [version.number for version in model.versions] == [1, 2]
    assert model.live_number in {1, 2}


def test_a_second_publication_waits_until_the_first_is_committed(pg_app, tmp_path):
    first, second = tmp_path / "adder.onnx", tmp_path / "2" / "adder.onnx"
    second.parent.mkdir()
    first.write_bytes(onnx_files.adder(1))
    second.write_bytes(onnx_files.adder(2))
    catalog.publish(first, config=running_config())

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(publish_in_own_context, pg_app, second)
        wait_until_somebody_waits_for_a_lock()
        db.session.commit()

    assert other.result() == (2, True)


def wait_until_somebody_waits_for_a_lock():
    deadline = time.monotonic() + 20
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with db.engine.connect().execution_options(
        isolation_level="AUTOCOMMIT"
    ) as connection:
        while not connection.scalar(query):
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("portal", ["app", "pg_app"])
def test_the_same_published_twice_at_once_is_one_version(request, tmp_path, portal):
    app = request.getfixturevalue(portal)

    outcomes = publish_at_once(app, tmp_path, [onnx_files.adder()] * 2)

    assert sorted(outcomes) == [(1, False), (1, True)]
    assert len(db.session.scalars(select(ModelVersion)).all()) == 1


def publish_at_once(app, tmp_path, contents):
    """Publish each of *contents* as `adder`; return number and newness of each."""
    start = threading.Barrier(len(contents))

    def publish(numbered):
        number, content = numbered
        path = tmp_path / str(number) / "adder.onnx"
        path.parent.mkdir()
        path.write_bytes(content)
        start.wait(10)
        return publish_in_own_context(app, path)

    with ThreadPoolExecutor(len(contents)) as threads:
        return list(threads.map(publish, enumerate(contents)))


def publish_in_own_context(app, path):
    with app.app_context():
        version, is_new = catalog.publish(path, config=running_config())
        number = version.number
        db.session.commit()
        db.session.remove()
    return number, is_new
