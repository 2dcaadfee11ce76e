"""From texts to the tensors of a language model, by its ``tokenizer.json``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from portal.errors import Invalid
from portal.runtime.declaration import Input, InputKind
from portal.runtime.signature import TensorSpec, fits
from portal.runtime.tasks.base import Settings, TaskRefused
from portal.runtime.tasks.options import MaxTokens, Options
from portal.runtime.tasks.running import run

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer"
IDS, MASK, TYPES, POSITIONS = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "position_ids",
)
DTYPES = ("int64", "int32")
MAX_TOKENS = 512  # of BERT and most that came after it
PADDING_TOKENS = ("[PAD]", "<pad>", "<|endoftext|>")
BATCH = 16  # texts in one run: more is hardly faster and needs more memory
TEXT = Input(
    "text",
    InputKind.TEXT,
    "Text",
    help="a long one is cut to as many tokens as the model takes",
)


class TextOptions(Options):
    """What all models that take texts may be told."""

    max_length: MaxTokens = None


@dataclass(frozen=True)
class Tokens:
    """A text as the model sees it: ids, and to which part of it each belongs."""

    ids: list[int]
    types: list[int]


class TextTensors:
    """The tensors of a graph that take texts."""

    def __init__(
        self, settings: Settings, options: TextOptions, tokenizer: bytes, *, task: str
    ) -> None:
        self._inputs = text_inputs(settings, task=task)
        self._row = _row_length(self._inputs)
        self._max = self._row or options.max_length or MAX_TOKENS
        if options.max_length:
            self._max = min(self._max, options.max_length)
        self._tokenizer = _read_tokenizer(tokenizer, self._max)
        self._padding = _padding_id(self._tokenizer)

    def tokens_of(self, text: str | Sequence[int]) -> Tokens:
        """Return the tokens of *text*, or check those that it already is.

        Raises:
            Invalid: Ids that the tokenizer doesn't have, none, or too many.
        """
        if not isinstance(text, str):
            return self._check(list(text))
        try:
            encoding = self._tokenizer.encode(text)
        except Exception as error:
            why = " ".join(str(error).split())[:200]
            message = "The tokenizer could not read this text: %(why)s"
            raise Invalid(message, "/inputs/text", why=why) from error
        if not encoding.ids:
            message = "The text holds no token; send some words."
            raise Invalid(message, "/inputs/text")
        return Tokens(list(encoding.ids), list(encoding.type_ids))

    def run(
        self, session: ort.InferenceSession, output: str, rows: Sequence[Tokens]
    ) -> "Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]":
        """Yield the *output* for the rows, a few at a time.

        Yields:
            What the model gave, and the mask of which tokens are of the text: shape
            ``(rows, tokens)``, float64, 1 or 0.
        """
        is_fixed = MASK not in self._inputs or isinstance(
            self._inputs[IDS].shape[0], int
        )
        step = 1 if is_fixed else BATCH
        for start in range(0, len(rows), step):
            tensors = self._tensors(rows[start : start + step])
            feeds = {
                name: tensors[name].astype(spec.dtype)
                for name, spec in self._inputs.items()
            }
            (found,) = run(session, [output], feeds)
            if found.shape[:1] != tensors[MASK].shape[:1]:
                message = "The model gave a tensor %(shape)s for %(texts)d texts."
                raise TaskRefused(
                    message, shape=list(found.shape), texts=len(tensors[MASK])
                )
            yield found, tensors[MASK].astype(np.float64)

    def _tensors(self, rows: Sequence[Tokens]) -> "dict[str, np.ndarray[Any, Any]]":
        """Return the rows side by side, each of shape ``(rows, tokens)``, int64."""
        length = self._row or max(len(row.ids) for row in rows)
        shape = (len(rows), length)
        ids = np.full(shape, self._padding, np.int64)
        mask, types = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row.ids)] = row.ids
            types[number, : len(row.ids)] = row.types
            mask[number, : len(row.ids)] = 1
        positions = np.broadcast_to(np.arange(length), shape)
        return {IDS: ids, MASK: mask, TYPES: types, POSITIONS: positions}

    def _check(self, ids: list[int]) -> Tokens:
        size = self._tokenizer.get_vocab_size()
        if not ids or len(ids) > self._max:
            message = "A text must have 1 to %(limit)d tokens, not %(came)d."
            raise Invalid(message, "/input", limit=self._max, came=len(ids))
        if any(not 0 <= one < size for one in ids):
            message = "Tokens of this model are whole numbers from 0 to %(most)d."
            raise Invalid(message, "/input", most=size - 1)
        return Tokens(ids, [0] * len(ids))


def text_inputs(settings: Settings, *, task: str) -> Mapping[str, TensorSpec]:
    """Return the inputs of a language model by their names.

    Raises:
        TaskRefused: The graph takes something else.
    """
    inputs = {spec.name: spec for spec in settings.signatures["model"].inputs}
    is_text = IDS in inputs and set(inputs) <= {IDS, MASK, TYPES, POSITIONS}
    is_grid = all(
        spec.dtype in DTYPES and len(spec.shape) == 2 and fits(spec.shape[0], 1)  # noqa: PLR2004 - batch, token
        for spec in inputs.values()
    )
    if not is_text or not is_grid:
        message = (
            "A model of the task %(task)s takes input_ids, and perhaps attention_mask, "
            "token_type_ids and position_ids: tensors of int64 or int32 with two axes, "
            "batch and token."
        )
        raise TaskRefused(message, task=task)
    return inputs


def _row_length(inputs: Mapping[str, TensorSpec]) -> int | None:
    """Return how many tokens every row must have, if the graph says so."""
    lengths = [spec.shape[1] for spec in inputs.values()]
    return next((length for length in lengths if isinstance(length, int)), None)


def _read_tokenizer(content: bytes, max_length: int) -> "Tokenizer":
    """Return the tokenizer, set to cut texts and not to fill them up."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - few models need it

    try:
        tokenizer = Tokenizer.from_buffer(content)
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        message = "The file %(role)s is not a tokenizer.json: %(why)s."
        raise TaskRefused(message, role=TOKENIZER, why=why) from error
    return tokenizer


def _padding_id(tokenizer: "Tokenizer") -> int:
    """Return the token that fills a row up; the mask says that it means nothing."""
    known = (tokenizer.token_to_id(token) for token in PADDING_TOKENS)
    return next((number for number in known if number is not None), 0)
