"""`tensor`: any model, tensors in and tensors out.

With labels, an output whose last size is their number also answers as
`labels`: the scores of the first row, best first. (Where the graph has an output
of that name already, as `ranked_labels`.)
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import onnxruntime as ort

from portal.runtime.declaration import (
    Description,
    Input,
    InputKind,
    Output,
    OutputKind,
)
from portal.runtime.signature import Signature, TensorSpec
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.ranking import rank
from portal.runtime.tasks.running import run
from portal.runtime.tensor_value import TensorValue

if TYPE_CHECKING:
    import numpy as np

Arrays = dict[str, "np.ndarray[Any, Any]"]
LABELS, RANKED_LABELS = "labels", "ranked_labels"


class Tensor(Task[Arrays, Arrays]):
    """Any model, tensors in and tensors out."""

    name = "tensor"

    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, ort.InferenceSession],
        files: Mapping[str, bytes],
    ) -> None:
        """Take the one session."""
        del files
        self._session = sessions["model"]
        self._signature = settings.signatures["model"]
        self._labels = settings.labels
        self._scored = _scored_output(settings)

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare an input and an output per tensor, and the labels if any."""
        signature = settings.signatures["model"]
        outputs = [
            Output(
                spec.name,
                OutputKind.TENSOR,
                _title(spec.name),
                help=f"{spec.dtype} {spec.shape_text}",
                tensor=spec,
            )
            for spec in signature.outputs
        ]
        if settings.labels:
            if _scored_output(settings) is None:
                message = (
                    "There are %(count)d labels, but no output whose last size is "
                    "%(count)d."
                )
                raise TaskRefused(message, count=len(settings.labels))
            outputs.insert(
                0,
                Output(
                    _labels_name(signature),
                    OutputKind.LABELS,
                    "Labels",
                    help="of the first row",
                ),
            )
        return Description(
            inputs=tuple(
                Input(
                    spec.name,
                    InputKind.TENSOR,
                    _title(spec.name),
                    help=f"{_words(spec)} as nested lists, shape {spec.shape_text} "
                    f"({spec.dtype})",
                    tensor=spec,
                )
                for spec in signature.inputs
            ),
            outputs=tuple(outputs),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Arrays:
        """Return the tensors as they came."""
        del parameters
        return dict(inputs)

    def infer(self, prepared: Arrays) -> Arrays:
        """Run the model."""
        names = [spec.name for spec in self._signature.outputs]
        values = run(self._session, names, prepared)
        return dict(zip(names, values, strict=True))

    def postprocess(self, raw: Arrays, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return every tensor, and the labels of the first row."""
        del parameters
        outputs: dict[str, Any] = {}
        if self._scored is not None:
            name = _labels_name(self._signature)
            outputs[name] = self._rank(raw[self._scored])
        for spec in self._signature.outputs:
            outputs[spec.name] = TensorValue(raw[spec.name], spec.datatype)
        return outputs

    def _rank(self, scores: "np.ndarray[Any, Any]") -> list[dict[str, Any]]:
        # What a graph declares is the exporter's word; onnxruntime only warns.
        if scores.shape[-1:] != (len(self._labels),):
            message = "The model gave a tensor %(shape)s for %(labels)d labels."
            raise TaskRefused(
                message, shape=list(scores.shape), labels=len(self._labels)
            )
        return rank(self._labels, scores)


def _scored_output(settings: Settings) -> str | None:
    """Return the output that the labels name, if any."""
    if not settings.labels:
        return None
    count = len(settings.labels)
    for spec in settings.signatures["model"].outputs:
        if spec.shape and spec.shape[-1] == count and spec.dtype.startswith("float"):
            return spec.name
    return None


def _labels_name(signature: Signature) -> str:
    taken = {spec.name for spec in signature.outputs}
    return LABELS if LABELS not in taken else RANKED_LABELS


def _words(spec: TensorSpec) -> str:
    return {"str": "Texts", "bool": "true and false"}.get(spec.dtype, "Numbers")


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
