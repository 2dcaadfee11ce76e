"""`image-embedding`: a picture as a vector."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort

from portal.runtime.declaration import PICTURE, Description, Output, OutputKind
from portal.runtime.signature import fits
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.embedding import as_json, to_unit_length
from portal.runtime.tasks.options import Switch, read_options
from portal.runtime.tasks.picture_tensor import PictureOptions, PictureTensor
from portal.runtime.tasks.running import run


class _Options(PictureOptions):
    normalize: Switch = True


class ImageEmbedding(Task["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]):
    """A picture as a vector."""

    name = "image-embedding"
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
        self._output = _vector_output(settings)

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a picture and a vector."""
        options = read_options(_Options, settings)
        PictureTensor.of(settings, options, task=cls.name)
        _vector_output(settings)
        return Description(
            inputs=(PICTURE,),
            outputs=(Output("embedding", OutputKind.VECTOR, "Embedding"),),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> "np.ndarray[Any, Any]":
        """Return the picture as the model takes it."""
        del parameters
        tensor, _ = self._picture.prepare(inputs["image"])
        return tensor

    def infer(self, prepared: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return the vector as the model gives it: shape ``(1, d, …)``."""
        (found,) = run(self._session, [self._output], {self._picture.name: prepared})
        return found

    def postprocess(
        self, raw: "np.ndarray[Any, Any]", parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the vector, of length 1 unless the settings say otherwise."""
        del parameters
        if not raw.size:
            message = "The model gave an empty tensor %(shape)s instead of a vector."
            raise TaskRefused(message, shape=list(raw.shape))
        vector = raw.reshape(1, -1).astype(np.float64)
        if self._options.normalize:
            vector = to_unit_length(vector)
        return {"embedding": as_json(vector[0])}


def _vector_output(settings: Settings) -> str:
    """Return the output that is a vector: the first ``[1, d]``, or ``[1, d, 1, 1]``."""
    for spec in settings.signatures["model"].outputs:
        if (
            len(spec.shape) > 1
            and spec.dtype.startswith("float")
            and fits(spec.shape[0], 1)
            and all(size == 1 for size in spec.shape[2:])
        ):
            return spec.name
    message = (
        "The task image-embedding needs an output of floats such as [1, 512]: one "
        "vector for the picture."
    )
    raise TaskRefused(message)
