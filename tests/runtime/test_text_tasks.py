"""The tasks `text-classification` and `text-embedding`, with a tokenizer of words."""

import dataclasses
import math

import numpy as np
import pytest
from onnx import TensorProto

from portal.errors import Invalid, Unavailable
from portal.runtime import LoadedModel, TaskRefused, describe
from portal.runtime.tasks import Settings
from tests import onnx_files, onnx_tasks

LABELS = ("praise", "blame")
# Tokens: [PAD] [CLS] [SEP] [UNK] good bad day night. A padding token that counted
# would be seen at once.
SCORES = np.array(
    [[99, 99], [0, 0], [0, 0], [0, 0], [3, 0], [0, 3], [0, 0], [0, 0]], np.float32
)
TABLE = np.array(
    [
        [99, 99, 99],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [2, 0, 0],
        [0, 2, 0],
        [0, 0, 2],
        [0, 3, 3],
    ],
    np.float32,
)


def load(tmp_path, task, content, *, labels=(), tokenizer=None, **options):
    spec = onnx_files.version(
        tmp_path / "m.onnx", content, labels=labels, task=task, options=options
    )
    path = tmp_path / "tokenizer.json"
    path.write_bytes(onnx_tasks.tokenizer() if tokenizer is None else tokenizer)
    return LoadedModel(
        dataclasses.replace(spec, files={**spec.files, "tokenizer": path})
    )


def classifier(tmp_path, **options):
    content = onnx_tasks.text_classifier(SCORES)
    return load(tmp_path, "text-classification", content, labels=LABELS, **options)


def embedder(tmp_path, content=None, **options):
    content = content or onnx_tasks.language_model(TABLE)
    return load(tmp_path, "text-embedding", content, **options)


def classify(model, text):
    labels = model.predict({"text": text}, {"top": 5}).outputs["labels"]
    return {one["label"]: one["score"] for one in labels}


def embed(model, text, **parameters):
    return model.predict({"text": text}, parameters).outputs["embedding"]


# Classification


@pytest.mark.parametrize(
    ("activation", "praise", "blame"),
    [
        ("softmax", 1 / (1 + math.exp(-3)), 1 / (1 + math.exp(3))),
        ("sigmoid", 1 / (1 + math.exp(-6)), 1 / (1 + math.exp(-3))),
        ("none", 6, 3),
    ],
)
def test_a_text_has_scores(tmp_path, activation, praise, blame):
    model = classifier(tmp_path, activation=activation)

    scores = classify(model, "good good day, bad night")

    assert scores == pytest.approx({"praise": praise, "blame": blame})


def test_the_likeliest_label_comes_first(tmp_path):
    model = classifier(tmp_path)

    assert list(classify(model, "bad day")) == ["blame", "praise"]
    assert len(model.predict({"text": "bad"}, {"top": 1}).outputs["labels"]) == 1


def test_a_long_text_is_cut(tmp_path):
    model = classifier(tmp_path, max_length=4, activation="none")

    # Two of the four are for the beginning and the end.
    assert classify(model, "good good good bad")["praise"] == 6


@pytest.mark.parametrize("text", ["", "   ", "…", "good " * 9000, "\U0001f600\u202e"])
def test_any_text_is_taken(tmp_path, text):
    assert set(classify(classifier(tmp_path), text)) == set(LABELS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
def test_scores_that_are_no_numbers_are_no_fault(tmp_path, bad, activation):
    content = onnx_tasks.text_classifier(np.full((8, 2), bad, np.float32))
    model = load(
        tmp_path,
        "text-classification",
        content,
        labels=LABELS,
        activation=activation,
    )

    assert set(classify(model, "good")) == set(LABELS)


def test_a_tokenizer_of_another_model_is_told(tmp_path):
    content = onnx_tasks.text_classifier(SCORES[:5])
    model = load(tmp_path, "text-classification", content, labels=LABELS)

    with pytest.raises(Invalid, match="could not run on this input"):
        classify(model, "night")


@pytest.mark.parametrize("tokenizer", [b"", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_a_broken_tokenizer_makes_the_model_unavailable(tmp_path, tokenizer):
    with pytest.raises(Unavailable) as refused:
        classifier(tmp_path, tokenizer=tokenizer)

    assert "is not a tokenizer.json" in str(refused.value.__cause__)


# Embedding


@pytest.mark.parametrize(
    ("pooling", "vector"),
    [
        # The mean of [CLS] good bad [SEP].
        ("mean", [0.75, 0.75, 0]),
        ("cls", [1, 0, 0]),
        ("last", [0, 1, 0]),
    ],
)
def test_the_tokens_are_pooled(tmp_path, pooling, vector):
    model = embedder(tmp_path, pooling=pooling, normalize=False)

    assert embed(model, "good bad") == pytest.approx(vector)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_texts_side_by_side_do_not_change_each_other(tmp_path, pooling):
    model = embedder(tmp_path, pooling=pooling)
    texts = ["good", "bad day night", "", *["night good"] * 30]

    vectors, tokens = model.backend.task.embed(texts)

    assert vectors.dtype == np.float32
    assert vectors.shape == (33, 3)
    assert tokens == model.backend.task.count_tokens(texts) == 3 + 5 + 2 + 30 * 4
    for text, vector in zip(texts, vectors, strict=True):
        assert embed(model, text) == pytest.approx(vector.tolist())


def test_many_texts_take_the_way_of_one(tmp_path):
    model = embedder(tmp_path)
    texts = ["good", "bad"]

    outputs = model.predict({"text": texts}, {"dimensions": 2}).outputs

    assert outputs["tokens"] == 6
    vectors, _ = model.backend.task.embed(texts, dimensions=2)
    assert outputs["embeddings"].tolist() == vectors.tolist()


def test_tokens_may_come_instead_of_texts(tmp_path):
    model = embedder(tmp_path)

    vectors, tokens = model.backend.task.embed([[1, 4, 2], [5]])

    assert tokens == 4
    assert vectors[0].tolist() == pytest.approx(embed(model, "good"))
    assert vectors[1].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ([[]], "must have 1 to 512 tokens, not 0"),
        ([[4] * 513], "must have 1 to 512 tokens, not 513"),
        ([[8]], "whole numbers from 0 to 7"),
        ([[-1]], "whole numbers from 0 to 7"),
        ([], "at least one text"),
    ],
)
def test_tokens_that_the_model_lacks_are_refused(tmp_path, texts, sentence):
    with pytest.raises(Invalid, match=sentence):
        embedder(tmp_path).backend.task.embed(texts)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_vector_can_be_cut(tmp_path, normalize):
    model = embedder(tmp_path, normalize=normalize)

    vector = embed(model, "bad day night", dimensions=2)

    expected = np.array([1, 6]) / 5
    length = np.linalg.norm(expected) if normalize else 1
    assert vector == pytest.approx(list(expected / length))
    for dimensions in (0, 4):
        with pytest.raises(Invalid, match="from 1 to 3 for this model"):
            model.backend.task.embed(["bad"], dimensions=dimensions)


@pytest.mark.parametrize(
    "names",
    [
        ("input_ids",),
        ("input_ids", "attention_mask"),
        ("position_ids", "input_ids", "attention_mask", "token_type_ids"),
    ],
)
@pytest.mark.parametrize("dtype", [TensorProto.INT64, TensorProto.INT32])
def test_the_inputs_are_those_of_the_graph(tmp_path, names, dtype):
    content = onnx_tasks.language_model(TABLE, inputs=names, dtype=dtype)
    model = embedder(tmp_path, content, normalize=False)

    vectors, _ = model.backend.task.embed(["good", "bad day"])

    assert vectors.tolist() == [
        pytest.approx([1, 1 / 3, 0]),
        pytest.approx([0.25, 0.75, 0.5]),
    ]


def test_a_graph_of_fixed_sizes_is_given_them(tmp_path):
    content = onnx_tasks.language_model(TABLE, shape=(1, 5))
    model = embedder(tmp_path, content, normalize=False, max_length=512)

    vectors, tokens = model.backend.task.embed(["good", "bad day night good good good"])

    assert tokens == 3 + 5
    assert vectors[0].tolist() == pytest.approx([1, 1 / 3, 0])


def test_a_graph_may_pool_by_itself(tmp_path):
    content = onnx_tasks.text_classifier(TABLE)
    model = embedder(tmp_path, content, normalize=False)

    # The sum of [CLS] good [SEP], as the graph adds them up.
    assert embed(model, "good") == [3, 1, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_null(tmp_path, bad):
    content = onnx_tasks.language_model(np.full((8, 2), bad, np.float32))

    assert embed(embedder(tmp_path, content), "good") == [None, None]


def test_it_declares_a_text_its_dimensions_and_a_vector():
    content = onnx_tasks.language_model(TABLE)
    settings = Settings({"model": onnx_files.signature_of(content)})

    description = describe("text-embedding", settings)

    assert [(i.name, i.kind) for i in description.inputs] == [("text", "text")]
    (dimensions,) = description.parameters
    assert (dimensions.default, dimensions.minimum, dimensions.maximum) == (3, 1, 3)
    assert [(o.name, o.kind) for o in description.outputs] == [("embedding", "vector")]


@pytest.mark.parametrize(
    ("task", "content", "labels", "options", "sentence"),
    [
        (
            "text-classification",
            onnx_tasks.text_classifier(SCORES),
            (),
            {},
            "needs labels",
        ),
        (
            "text-classification",
            onnx_tasks.text_classifier(SCORES),
            ("a",),
            {},
            "There are 1 labels, but no output [N, 1]",
        ),
        (
            "text-classification",
            onnx_tasks.text_classifier(SCORES),
            LABELS,
            {"activation": "tanh"},
            "activation must be softmax, sigmoid or none.",
        ),
        (
            "text-embedding",
            onnx_tasks.language_model(TABLE),
            (),
            {"pooling": "max"},
            "pooling must be mean, cls or last.",
        ),
        (
            "text-embedding",
            onnx_tasks.language_model(TABLE),
            (),
            {"max_length": 0},
            "max_length must be a whole number from 1 to 32768.",
        ),
        ("text-embedding", onnx_files.adder(), (), {}, "takes input_ids"),
        (
            "text-embedding",
            onnx_tasks.language_model(TABLE, inputs=("input_ids", "pixels")),
            (),
            {},
            "takes input_ids",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_refused(task, content, labels, options, sentence):
    settings = Settings({"model": onnx_files.signature_of(content)}, labels, options)

    with pytest.raises(TaskRefused) as refused:
        describe(task, settings)

    assert sentence in str(refused.value)
