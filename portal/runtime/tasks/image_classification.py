"""`image-classification`: what a picture shows, as labels with scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort

from portal.runtime.declaration import (
    PICTURE,
    Description,
    Output,
    OutputKind,
)
from portal.runtime.signature import fits
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.options import Switch, read_options
from portal.runtime.tasks.picture_tensor import PictureOptions, PictureTensor
from portal.runtime.tasks.ranking import TOP, rank, softmax, top_parameter
from portal.runtime.tasks.running import run


class _Options(PictureOptions):
    softmax: Switch = False


class ImageClassification(Task["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]):
    """What a picture shows."""

    name = "image-classification"
    option_names = tuple(_Options.model_fields)

    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, ort.InferenceSession],
        files: Mapping[str, bytes],
    ) -> None:
        """Take the one session."""
        del files
        self._session = sessions["model"]
        self._options = read_options(_Options, settings)
        self._picture = PictureTensor.of(settings, self._options, task=self.name)
        self._output = _scored_output(settings)
        self._labels = settings.labels

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a picture, how many labels to give, and the labels."""
        options = read_options(_Options, settings)
        PictureTensor.of(settings, options, task=cls.name)
        _scored_output(settings)
        return Description(
            inputs=(PICTURE,),
            parameters=(top_parameter(),),
            outputs=(Output("labels", OutputKind.LABELS, "Labels"),),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> "np.ndarray[Any, Any]":
        """Return the picture as the model takes it."""
        del parameters
        tensor, _ = self._picture.prepare(inputs["image"])
        return tensor

    def infer(self, prepared: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return the scores as the model gives them: shape ``(…, labels)``."""
        (scores,) = run(self._session, [self._output], {self._picture.name: prepared})
        return scores

    def postprocess(
        self, raw: "np.ndarray[Any, Any]", parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the likeliest labels, best first."""
        if raw.size != len(self._labels):
            message = "The model gave %(scores)d scores for %(labels)d labels."
            raise TaskRefused(message, scores=raw.size, labels=len(self._labels))
        scores = raw.reshape(-1).astype(np.float64)
        if self._options.softmax:
            scores = softmax(scores)
        return {"labels": rank(self._labels, scores)[: parameters[TOP]]}


def _scored_output(settings: Settings) -> str:
    """Return the output that the labels name: the first of that size."""
    count = len(settings.labels)
    if not count:
        message = "The task image-classification needs labels, one for each class."
        raise TaskRefused(message)
    for spec in settings.signatures["model"].outputs:
        if (
            spec.shape
            and spec.dtype.startswith("float")
            and fits(spec.shape[-1], count)
        ):
            return spec.name
    message = "There are %(count)d labels, but no output whose last size is %(count)d."
    raise TaskRefused(message, count=count)
