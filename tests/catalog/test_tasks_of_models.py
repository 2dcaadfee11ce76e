"""Models of the tasks for pictures and texts, from publishing to the page."""

import io

import numpy as np
import pytest
from PIL import Image

from portal import catalog
from portal.db import db
from portal.runtime import FileRefused
from tests import onnx_tasks
from tests.pages import csrf_token

NAMES = {"task": "detect", "names": "{0: 'cat', 1: 'dog'}", "imgsz": "[64, 64]"}
TABLE = np.eye(8, 4, dtype=np.float32)


@pytest.fixture
def publish(app, config, tmp_path):
    """Return a function that publishes a folder with *files* and commits."""

    def publish(manifest, **files):
        for name, content in files.items():
            (tmp_path / name.replace("_", ".")).write_bytes(content)
        (tmp_path / "model.toml").write_text(f'name = "m"\n{manifest}')
        version, _ = catalog.publish(tmp_path, config=config)
        db.session.commit()
        return version

    return publish


def png(width=40, height=20):
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), (255, 0, 0), np.uint8)).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


def picture_model(publish, content, manifest="", labels=b""):
    files = '[files]\nmodel = "m.onnx"\n'
    example = '[[examples]]\ntitle = "Red"\ninputs = { image = "red.png" }\n'
    if labels:
        manifest = f'labels = "labels.txt"\n{manifest}'
    return publish(
        manifest + files + example, m_onnx=content, red_png=png(), labels_txt=labels
    )


def page_of(client, headers=None):
    answer = client.get("/models/m", headers=headers)
    assert answer.status_code == 200
    return answer.text


def test_boxes_are_drawn_over_the_picture(client, publish):
    value = np.array([[[16, 24, 32, 40, 0.9, 1]]], np.float32)
    version = picture_model(publish, onnx_tasks.says(value, metadata=NAMES))

    page = page_of(client)

    assert version.task == "object-detection"
    assert version.manifest["labels"] == ["cat", "dog"]
    (box,) = version.example_result["outputs"]["boxes"]
    assert (box["label"], box["box"]) == ("dog", [10, 5, 20, 15])
    assert '<polygon class="overlay__edge' in page
    assert 'points="10.0,5.0 20.0,5.0 20.0,15.0 10.0,15.0"' in page
    assert ">dog<" in page


def test_what_the_manifest_says_goes_before_the_exporter_s_notes(publish):
    content = onnx_tasks.says(
        np.zeros((1, 6, 84), np.float32),
        picture=("n", 3, "h", "w"),
        metadata=NAMES,
    )
    files = '[files]\nmodel = "m.onnx"\n'

    noted = publish(f'task = "object-detection"\n{files}', m_onnx=content)
    said = publish(
        f'labels = "l.txt"\n{files}[settings]\nsize = [96, 32]\nfit = "crop"\n',
        m_onnx=content,
        l_txt=b"lion\nwolf\n",
    )

    assert noted.options == {"size": [64, 64]}
    assert said.task == "object-detection"
    assert said.options == {"size": [96, 32], "fit": "crop"}
    assert said.manifest["labels"] == ["lion", "wolf"]


def test_a_mask_lies_over_the_picture_and_its_labels_are_listed(client, publish):
    version = picture_model(
        publish, onnx_tasks.colours(), labels=b"background\ngreen\nblue\n"
    )

    page = page_of(client)

    assert version.task == "image-segmentation"
    mask = version.example_result["outputs"]["mask"]
    assert (mask["width"], mask["height"]) == (40, 20)
    assert f'src="data:image/png;base64,{mask["png"]}"' in page
    assert "background" in page
    assert "100.0" in page
    # What the picture does not show is not listed.
    assert ">green<" not in page


def test_corners_are_drawn_over_the_picture(client, publish):
    maps = np.zeros((1, 4, 8, 8), np.float32)
    for number, (row, column) in enumerate(((1, 1), (1, 6), (6, 6), (6, 1))):
        maps[0, number, row, column] = 1
    version = picture_model(publish, onnx_tasks.says(maps, output="heatmaps"))

    page = page_of(client)

    assert version.task == "heatmap-corners"
    assert 'points="7.5,3.8 32.5,3.8 32.5,16.2 7.5,16.2"' in page
    assert ">document<" in page


@pytest.mark.parametrize("value", [[3, 4], [np.nan, np.inf]])
def test_a_vector_is_shown_whatever_is_in_it(client, publish, value):
    content = onnx_tasks.says(np.array([value], np.float32), output="image_embeds")
    version = picture_model(publish, content)

    page = page_of(client)

    assert version.task == "image-embedding"
    assert "2 numbers" in page
    assert ("0.6000" in page) == (value == [3, 4])
    gallery = client.get("/")
    assert gallery.status_code == 200
    assert ("0.6000" in gallery.text) == (value == [3, 4])


def test_a_picture_that_is_turned_is_measured_as_it_is_seen(client, publish):
    value = np.array([[[0, 0, 32, 64, 0.9, 1]]], np.float32)
    picture_model(
        publish, onnx_tasks.says(value, metadata=NAMES), 'settings.fit = "stretch"\n'
    )
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (80, 20)).save(buffer, "JPEG", exif=exif)
    token = csrf_token(client, "/models/m")

    answer = client.post(
        "/models/m/predictions",
        data={
            "csrf_token": token,
            "image": (io.BytesIO(buffer.getvalue()), "turned.jpg"),
        },
    )

    assert answer.status_code == 200
    assert 'points="0.0,0.0 10.0,0.0 10.0,80.0 0.0,80.0"' in answer.text


def test_a_text_is_typed_and_becomes_a_vector(client, publish):
    version = publish(
        '[files]\nmodel = "m.onnx"\ntokenizer = "tokenizer.json"\n',
        m_onnx=onnx_tasks.language_model(TABLE),
        tokenizer_json=onnx_tasks.tokenizer(),
    )
    token = csrf_token(client, "/models/m")

    answer = client.post(
        "/models/m/predictions",
        data={"csrf_token": token, "text": "good day", "dimensions": "3"},
    )

    assert version.task == "text-embedding"
    assert "<textarea" in page_of(client)
    assert answer.status_code == 200
    assert "3 numbers" in answer.text


def test_a_tokenizer_that_can_t_be_read_is_refused(publish):
    with pytest.raises(FileRefused, match=r"is not a tokenizer\.json"):
        publish(
            '[files]\nmodel = "m.onnx"\ntokenizer = "tokenizer.json"\n',
            m_onnx=onnx_tasks.language_model(TABLE),
            tokenizer_json=b"{}",
        )

    assert catalog.list_all() == []
