"""Publishing a version that lives on another server."""

import json

import numpy as np
import pytest

from portal import catalog
from portal.catalog import ManifestInvalid
from portal.config import Config
from portal.db import db
from portal.extensions import parts
from portal.runtime import FileRefused, RemoteRefused
from tests.conftest import make_config
from tests.factories import log_in, make_key, make_user
from tests.servers.strange import StrangeServer, answer_outputs, answer_with

TOKEN = "s3cret-token"
X = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}
Y = {"name": "y", "datatype": "FP32", "shape": [-1, 2]}
ROW = {"inputs": {"x": [[1, 2]]}}


def answer(connection, request):
    """Answer with as many rows of threes as came."""
    (sent,) = request.document["inputs"]
    rows = sent["shape"][0]
    answer_outputs({**Y, "shape": [rows, 2], "data": [3] * 2 * rows})(
        connection, request
    )


@pytest.fixture
def server():
    with StrangeServer(answer) as server:
        describe(server)
        yield server


@pytest.fixture
def config(config, server, tmp_path) -> Config:
    """Return settings with a token for the server."""
    return make_config(tmp_path, PORTAL_REMOTE_TOKENS=f"{server.authority}={TOKEN}")


def describe(server, inputs=(X,), outputs=(Y,), **more):
    document = {"name": "m", "inputs": inputs, "outputs": outputs, **more}
    server.documents["/v2/models/m"] = document


@pytest.fixture
def folder(tmp_path, server):
    """Return a folder with a manifest, and no model."""
    folder = tmp_path / "far"
    folder.mkdir()
    write(folder, server.url)
    return folder


def write(folder, url, more="", head='task = "tensor"'):
    (folder / "model.toml").write_text(
        f'name = "far"\n{head}\n[remote]\nurl = "{url}"\nmodel = "m"\n{more}'
    )


@pytest.fixture
def publish(app, config):
    def publish(path, **overrides):
        version, _ = catalog.publish(
            path,
            config=config,
            overrides=catalog.Overrides(**overrides),
            allows_remote=True,
        )
        db.session.commit()
        return version

    return publish


# What is published


def test_a_folder_without_a_model_is_published_and_answers(publish, folder, server):
    version = publish(folder)

    assert version.remote.url == server.url
    assert version.manifest["files"] == {}
    spec = catalog.version_spec(version, parts().config)
    loaded = parts().pool.get(spec)
    row = {"x": np.zeros((1, 2), dtype=np.float32)}
    assert loaded.predict(row, {}).outputs["y"]["data"] == [[3, 3]]
    sent = server.requests[-1].headers
    assert sent["authorization"] == f"Bearer {TOKEN}"


def test_a_token_for_another_port_is_not_sent(app, folder, server, tmp_path):
    host, _, port = server.authority.rpartition(":")
    tokens = f"{host}:{int(port) - 1}={TOKEN}"
    config = make_config(tmp_path, PORTAL_REMOTE_TOKENS=tokens)

    catalog.publish(folder, config=config, allows_remote=True)

    assert ["authorization" in one.headers for one in server.requests] == [False]


def test_the_token_is_kept_nowhere(publish, folder, runner):
    version = publish(folder)

    shown = runner.invoke(args=["models", "show", "far", "--json"]).output
    assert TOKEN not in json.dumps([version.manifest, version.signatures]) + shown


def test_the_metadata_belongs_to_the_digest(publish, folder, server):
    first = publish(folder)
    assert publish(folder).number == first.number

    describe(server, platform="another")

    second = publish(folder)
    assert second.number == 2
    assert second.platform == "another"


def test_an_example_is_run_there_and_kept(publish, folder, server):
    example = '[[examples]]\ntitle = "One"\ninputs = { x = [[1, 2]] }\n'
    write(folder, server.url, example)

    version = publish(folder)

    assert version.example_result["outputs"]["y"]["data"] == [[3, 3]]


@pytest.mark.parametrize(
    ("extensions", "line", "is_binary"),
    [
        (["binary_tensor_data"], "", True),
        ([], "", False),
        ([], "binary = true", True),
        (["binary_tensor_data"], "binary = false", False),
    ],
)
def test_tensors_travel_as_bytes_if_the_server_says_so_or_the_manifest(
    publish, folder, server, extensions, line, is_binary
):
    server.documents["/v2"] = {"name": "s", "extensions": extensions}
    write(folder, server.url, line)

    assert publish(folder).remote.is_binary is is_binary


def test_labels_and_task_are_those_of_any_other_version(publish, folder, server):
    describe(server, inputs=[{**X, "shape": [-1, 3, 8, 8]}])
    (folder / "labels.txt").write_text("cat\ndog\n")
    write(folder, server.url, head='labels = "labels.txt"')

    assert publish(folder).task == "image-classification"


def test_models_that_refuse_made_up_values_are_published(publish, folder, server):
    server.behave = answer_with("out of range", "400 Bad")

    assert publish(folder).number == 1


def test_the_command_publishes_and_shows_where_it_lives(app, runner, folder, server):
    url = server.url.replace("127.0.0.1", "LOCALHOST")
    set_url = ["--set", f"remote.url={url}/"]

    result = runner.invoke(args=["models", "publish", str(folder), *set_url])

    assert result.exit_code == 0, result.output
    shown = runner.invoke(args=["models", "show", "far"]).output
    assert f"lives on {url.lower()}: m" in shown


def test_a_remote_version_is_not_measured(app, client, runner, folder, server):
    set_url = ("--set", f"remote.url={server.url}")
    published = runner.invoke(args=["models", "publish", str(folder), *set_url])
    runs = len(server.requests)

    refused = runner.invoke(args=["models", "measure", "far"])

    why = f"Version 1 of far lives on {server.url}: m"
    assert published.exit_code == 0
    assert f"Not measured: {why}" in published.stderr
    assert refused.exit_code == 1
    assert why in refused.stderr
    assert "\n" not in refused.stderr.strip()
    assert len(server.requests) == runs
    assert catalog.find_any("far").live.measurement is None
    log_in(client, make_user(role="owner"))
    page = client.get("/admin/models/far").text
    assert "is on another server, so it takes nothing here" in page
    assert "flask models measure" not in page


# What is refused


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host",
        "host:8000",
        "https://",
        "https://user:secret@host",
        "https://host?x=1",
        "https://host/#x",
        "https://host:0",
        "https://host:99999",
        "https://ho st",
        "https://host/a/../b",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_of_a_server_is_refused(publish, folder, url):
    write(folder, url)

    with pytest.raises(ManifestInvalid) as refused:
        publish(folder)

    assert str(refused.value).startswith(
        "model.toml: remote.url: must be the address of a server, such as https://host"
    )
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("token = 'x'", "remote.token: is not a key of the manifest"),
        ("[limits]\nisolated = true", "isolated is for models that run here"),
        ("[batching]\nmax = 8", "[batching] is for models that run here"),
        ("[files]\nmodel = 'model.toml'", "leave one of them out"),
        ("[files]\nextra = 'model.toml'", "needs the files none"),
        ("concurrent = 0", "remote.concurrent"),
        ("version = '../x'", "remote.version"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    publish, folder, server, more, words
):
    write(folder, server.url, more)

    with pytest.raises(ManifestInvalid, match=words.replace("[", r"\[")):
        publish(folder)


def test_a_task_of_several_models_is_refused(publish, folder, server):
    write(folder, server.url, head='task = "ocr"')

    with pytest.raises(ManifestInvalid, match="ocr needs several models"):
        publish(folder)


def test_only_the_command_line_may_name_another_server(app, folder, config, server):
    with pytest.raises(ManifestInvalid, match="on the command line"):
        catalog.publish(folder, config=config)

    assert server.connections == 0


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ([], [Y], "it lists no inputs"),
        (None, [Y], "it lists no inputs"),
        ([X], "y", "it lists no outputs"),
        ([X, X], [Y], "two inputs have the same name"),
        ([{**X, "datatype": "BF16"}], [Y], "the input x has the datatype 'BF16'"),
        ([{**X, "shape": [-2]}], [Y], "the input x has the shape"),
        ([{**X, "shape": [True]}], [Y], "the input x has the shape"),
        ([{**X, "shape": "2"}], [Y], "an input has no name, datatype or shape"),
        ([X], [{**Y, "name": ""}], "the name of an output is empty"),
        ([X], [7], "an output has no name"),
    ],
)
def test_metadata_that_can_not_be_used_is_refused(
    publish, folder, server, inputs, outputs, words
):
    describe(server, inputs, outputs)

    with pytest.raises(RemoteRefused) as refused:
        publish(folder)

    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "can't be reached: Failed to establish"),
        ("{url}/nowhere", "it answered 404. Look at"),
    ],
)
def test_a_server_without_the_model_is_told_in_a_sentence(
    publish, folder, server, url, words
):
    write(folder, url.format(url=server.url))

    with pytest.raises(RemoteRefused) as refused:
        publish(folder)

    assert words in str(refused.value)


@pytest.mark.parametrize(
    "behave",
    [
        answer_with("who are you", "401 Unauthorized"),
        answer_with("<html>", "502 Bad Gateway"),
        answer_outputs({**Y, "datatype": "FP64", "shape": [1, 2], "data": [1, 2]}),
    ],
)
def test_a_version_that_gives_no_answer_is_not_published(
    publish, folder, server, stored, behave
):
    server.behave = behave

    with pytest.raises(FileRefused, match="could not be run on http://127"):
        publish(folder)

    assert stored() == ([0, 0], [])


# What is shown


def test_its_publisher_sees_where_it_lives_and_readers_do_not(
    publish, folder, server, client
):
    publish(folder)
    page = client.get("/models/far").text
    log_in(client, make_user(role="owner"))
    mine = client.get("/admin/models/far").text
    server.is_ready = False
    later = client.get("/admin/models/far").text

    assert "runs on another server" in page
    assert server.authority not in page
    assert f"{server.url}: m" in mine
    assert "Not ready" not in mine
    assert "Not ready" in later
    assert TOKEN not in mine


def test_a_publisher_does_not_see_where_anothers_model_lives(
    publish, folder, server, client
):
    publish(folder)
    log_in(client, make_user(role="publisher"))

    page = client.get("/admin/models/far").text

    assert "another server" in page
    assert server.authority not in page


def test_a_server_that_is_away_is_told_to_the_owner_until_it_is_back(
    publish, folder, server, client
):
    publish(folder)
    server.behave = answer_with("", "502 Bad Gateway")
    owner = make_user(role="owner")
    _, secret = make_key(owner)
    headers = {"Authorization": f"Bearer {secret}"}

    answers = [
        client.post("/api/v1/models/far/predict", json=ROW, headers=headers)
        for _ in range(5)
    ]

    assert {answer.status_code for answer in answers} == {503}
    assert "can't be reached at the moment" in answers[0].json["detail"]
    assert answers[0].headers["Retry-After"] == "1"
    assert catalog.find_any("far").live.failed_at is not None
    assert client.get("/v2/models/far/ready").status_code == 503
    log_in(client, owner)
    assert "was away at" in client.get("/admin/models/far").text
