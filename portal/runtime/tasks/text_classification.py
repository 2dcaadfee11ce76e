"""`text-classification`: what a text is, as labels with scores."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import onnxruntime as ort
from pydantic import Field

from portal.runtime.declaration import Description, Output, OutputKind
from portal.runtime.signature import fits
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.options import read_options
from portal.runtime.tasks.ranking import TOP, rank, sigmoid, softmax, top_parameter
from portal.runtime.tasks.text_tensors import (
    TEXT,
    TOKENIZER,
    TextOptions,
    TextTensors,
    Tokens,
    text_inputs,
)


class _Options(TextOptions):
    # softmax: one of the labels is right; sigmoid: any number of them are.
    activation: Annotated[
        Literal["softmax", "sigmoid", "none"],
        Field(description="softmax, sigmoid or none"),
    ] = "softmax"


class TextClassification(Task[Tokens, "np.ndarray[Any, Any]"]):
    """What a text is."""

    name = "text-classification"
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
        self._output = _scored_output(settings)
        self._labels = settings.labels

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a text, how many labels to give, and the labels."""
        read_options(_Options, settings)
        text_inputs(settings, task=cls.name)
        _scored_output(settings)
        return Description(
            inputs=(TEXT,),
            parameters=(top_parameter(),),
            outputs=(Output("labels", OutputKind.LABELS, "Labels"),),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Tokens:
        """Return the tokens of the text."""
        del parameters
        return self._texts.tokens_of(inputs["text"])

    def infer(self, prepared: Tokens) -> "np.ndarray[Any, Any]":
        """Return the scores as the model gives them: shape ``(1, labels)``."""
        ((scores, _),) = self._texts.run(self._session, self._output, [prepared])
        return scores

    def postprocess(
        self, raw: "np.ndarray[Any, Any]", parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the likeliest labels, best first."""
        if raw.size != len(self._labels):
            message = "The model gave %(scores)d scores for %(labels)d labels."
            raise TaskRefused(message, scores=raw.size, labels=len(self._labels))
        scores = raw.reshape(-1).astype(np.float64)
        if self._options.activation == "softmax":
            scores = softmax(scores)
        elif self._options.activation == "sigmoid":
            scores = sigmoid(scores)
        return {"labels": rank(self._labels, scores)[: parameters[TOP]]}


def _scored_output(settings: Settings) -> str:
    """Return the output that the labels name: the first ``[N, labels]``."""
    count = len(settings.labels)
    if not count:
        message = "The task text-classification needs labels, one for each class."
        raise TaskRefused(message)
    for spec in settings.signatures["model"].outputs:
        is_scores = len(spec.shape) == 2 and spec.dtype.startswith("float")  # noqa: PLR2004 - batch, label
        if is_scores and fits(spec.shape[1], count):
            return spec.name
    message = "There are %(count)d labels, but no output [N, %(count)d] of floats."
    raise TaskRefused(message, count=count)
