"""`text-embedding`: texts as vectors.

It embeds many at once, too: see `TextEmbedding.preprocess` and `TextEmbedding.embed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
import onnxruntime as ort
from pydantic import Field

from portal.errors import Invalid
from portal.runtime.declaration import (
    Description,
    Output,
    OutputKind,
    Parameter,
    ParameterKind,
)
from portal.runtime.signature import TensorSpec, fits
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.embedding import as_json, to_unit_length
from portal.runtime.tasks.options import Switch, read_options
from portal.runtime.tasks.text_tensors import (
    TEXT,
    TOKENIZER,
    TextOptions,
    TextTensors,
    Tokens,
    text_inputs,
)

DIMENSIONS = "dimensions"
# A BERT's pooler_output, of two axes too, was never trained to stand for a sentence.
WHOLE = ("sentence_embedding", "text_embeds", "embeddings", "embedding")


class _Options(TextOptions):
    pooling: Annotated[
        Literal["mean", "cls", "last"], Field(description="mean, cls or last")
    ] = "mean"
    normalize: Switch = True


@dataclass(frozen=True)
class Batch:
    """Texts on their way: their tokens, then their vectors, ``(texts, d)``, float64.

    Attributes:
        is_list: Whether a list was given, and a list is wanted.
    """

    rows: Sequence[Tokens]
    is_list: bool
    vectors: "np.ndarray[Any, Any]" = field(default_factory=lambda: np.zeros((0, 0)))


class TextEmbedding(Task[Batch, Batch]):
    """A text as a vector."""

    name = "text-embedding"
    other_roles = (TOKENIZER,)
    option_names = tuple(_Options.model_fields)

    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, ort.InferenceSession],
        files: Mapping[str, bytes],
    ) -> None:
        """Take the one session, and the tokenizer."""
        self._session = sessions["model"]
        self._options = read_options(_Options, settings)
        self._texts = TextTensors(
            settings, self._options, files[TOKENIZER], task=self.name
        )
        self._output = embedded_output(settings).name

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a text, perhaps how long the vector is to be, and the vector."""
        read_options(_Options, settings)
        text_inputs(settings, task=cls.name)
        size = embedded_output(settings).shape[-1]
        return Description(
            inputs=(TEXT,),
            parameters=(_dimensions(size),) if isinstance(size, int) else (),
            outputs=(Output("embedding", OutputKind.VECTOR, "Embedding"),),
        )

    def embed(
        self,
        texts: Sequence[str] | Sequence[Sequence[int]],
        *,
        dimensions: int | None = None,
    ) -> "tuple[np.ndarray[Any, Any], int]":
        """Return the vectors of *texts*, and how many tokens these have together.

        It takes no turn of the scheduler: a way in sends the same list through
        `inference.infer`, see `preprocess`.

        Args:
            texts: Texts, or for each the ids of its tokens.
            dimensions: Keep so many numbers of each vector, from the beginning.

        Returns:
            Array of shape ``(texts, dimensions)``, float32, finite if the model is
            sound; and the number of tokens after cutting.

        Raises:
            Invalid: No text; tokens that the model doesn't have, none or too many;
                more dimensions than there are.
        """
        raw = self.infer(self.preprocess({"text": list(texts)}, {}))
        outputs = self.postprocess(raw, {DIMENSIONS: dimensions})
        return outputs["embeddings"], outputs["tokens"]

    def count_tokens(self, texts: Sequence[str] | Sequence[Sequence[int]]) -> int:
        """Return how many tokens *texts* have together, after cutting."""
        return sum(len(self._texts.tokens_of(text).ids) for text in texts)

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Batch:
        """Return the tokens of the text.

        In place of one text there may be a list, of texts or of lists of token ids:
        the outputs are then ``embeddings`` (array of shape ``(texts, dimensions)``,
        float32) and ``tokens`` (how many there were), for a way in to put into words.
        """
        del parameters
        given = inputs["text"]
        if isinstance(given, str):
            return Batch([self._texts.tokens_of(given)], is_list=False)
        if not given:
            message = "There must be at least one text."
            raise Invalid(message, "/input")
        return Batch(self._rows(given), is_list=True)

    def infer(self, prepared: Batch) -> Batch:
        """Return the vectors as the model gives them: shape ``(texts, d)``, float64."""
        return replace(prepared, vectors=self._vectors(prepared.rows))

    def postprocess(self, raw: Batch, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the vector, of length 1 unless the settings say otherwise."""
        vectors = self._finish(raw.vectors, parameters.get(DIMENSIONS))
        if not raw.is_list:
            return {"embedding": as_json(vectors[0])}
        with np.errstate(over="ignore"):
            return {
                "embeddings": vectors.astype(np.float32),
                "tokens": sum(len(row.ids) for row in raw.rows),
            }

    def _rows(self, texts: Sequence[str | Sequence[int]]) -> list[Tokens]:
        rows = []
        for number, text in enumerate(texts):
            try:
                rows.append(self._texts.tokens_of(text))
            except Invalid as refusal:
                refusal.pointer = f"/input/{number}"
                raise
        return rows

    def _vectors(self, rows: Sequence[Tokens]) -> "np.ndarray[Any, Any]":
        """Return a vector for each of the rows: shape ``(rows, d)``, float64."""
        found = [
            _pool(given.astype(np.float64), mask, self._options.pooling)
            for given, mask in self._texts.run(self._session, self._output, rows)
        ]
        if len({vectors.shape[1] for vectors in found}) != 1:
            message = "The model gave vectors of no size, or of several."
            raise TaskRefused(message)
        return np.concatenate(found)

    def _finish(
        self, vectors: "np.ndarray[Any, Any]", dimensions: int | None
    ) -> "np.ndarray[Any, Any]":
        """Return *vectors* cut to *dimensions*, then of length 1 if they shall be."""
        size = vectors.shape[1]
        if dimensions is not None and not 1 <= dimensions <= size:
            message = "dimensions must be from 1 to %(size)d for this model."
            raise Invalid(message, "/dimensions", size=size)
        cut = vectors[:, :dimensions]
        return to_unit_length(cut) if self._options.normalize else cut


def embedded_output(settings: Settings) -> TensorSpec:
    """Return the output to embed with: a vector for the text, or one per token.

    Raises:
        TaskRefused: There is none.
    """
    floats = [
        spec
        for spec in settings.signatures["model"].outputs
        if spec.dtype.startswith("float") and spec.shape and fits(spec.shape[0], 1)
    ]
    whole = [spec for spec in floats if len(spec.shape) == 2]  # noqa: PLR2004 - batch, number
    per_token = [spec for spec in floats if len(spec.shape) == 3]  # noqa: PLR2004 - batch, token, number
    named = [spec for spec in whole if spec.name in WHOLE]
    for spec in (*named, *per_token, *whole):
        return spec
    message = (
        "The task text-embedding needs an output of floats: [N, d], a vector for the "
        "text, or [N, L, d], one for each token."
    )
    raise TaskRefused(message)


def _dimensions(size: int) -> Parameter:
    return Parameter(
        DIMENSIONS,
        ParameterKind.INT,
        "Dimensions",
        default=size,
        help="how many numbers to keep, for models that were trained to be cut",
        minimum=1,
        maximum=size,
    )


def _pool(
    given: "np.ndarray[Any, Any]", mask: "np.ndarray[Any, Any]", pooling: str
) -> "np.ndarray[Any, Any]":
    """Return one vector for each text.

    Args:
        given: Array of shape ``(texts, d)``, or ``(texts, tokens, d)``.
        mask: Array of shape ``(texts, tokens)``: which tokens are of the text.
        pooling: ``mean`` of the tokens, the first (``cls``) or the ``last``.
    """
    if given.ndim == 2:  # noqa: PLR2004 - the graph pooled them itself
        return given
    if given.ndim != 3 or given.shape[:2] != mask.shape:  # noqa: PLR2004 - batch, token, number
        message = "The model gave a tensor %(shape)s for %(tokens)d tokens."
        raise TaskRefused(message, shape=list(given.shape), tokens=mask.shape[1])
    pooled: np.ndarray[Any, Any]
    counts = mask.sum(axis=1)
    match pooling:
        case "cls":
            pooled = given[:, 0]
        case "last":
            pooled = given[np.arange(len(given)), counts.astype(np.int64) - 1]
        case _:
            # Left out rather than multiplied by nought, which NaN would outlive.
            kept = np.where(mask[:, :, None] > 0, given, 0)
            with np.errstate(invalid="ignore"):
                pooled = kept.sum(axis=1) / counts[:, None]
    return pooled
