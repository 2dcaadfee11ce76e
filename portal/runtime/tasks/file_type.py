"""`file-type`: what a file is, by its bytes (Google's Magika).

Features as in Magika's "features extraction v2": the first and the last bytes
of the file, stripped of white space, padded to a fixed length.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort

from portal.runtime.declaration import (
    Description,
    Input,
    InputKind,
    Output,
    OutputKind,
)
from portal.runtime.tasks.base import Settings, Task, TaskRefused
from portal.runtime.tasks.ranking import TOP, top_parameter

Features = "np.ndarray[Any, Any] | bytes"
TEXT, UNKNOWN = "txt", "unknown"


class FileType(Task[Any, Any]):
    """What a file is, by its bytes."""

    name = "file-type"
    other_roles = ("config",)

    def __init__(
        self,
        settings: Settings,
        sessions: Mapping[str, ort.InferenceSession],
        files: Mapping[str, bytes],
    ) -> None:
        """Take the session and Magika's ``config.min.json``."""
        del settings
        self._session = sessions["model"]
        config = json.loads(files["config"])
        self._labels: list[str] = config["target_labels_space"]
        self._overwrite: dict[str, str] = config["overwrite_map"]
        self._begin: int = config["beg_size"]
        self._end: int = config["end_size"]
        self._block: int = config["block_size"]
        self._padding: int = config["padding_token"]
        self._min_bytes: int = config["min_file_size_for_dl"]

    @classmethod
    def describe(cls, settings: Settings) -> Description:
        """Declare a file, how many labels to give, and the labels."""
        signature = settings.signatures["model"]
        if len(signature.inputs) != 1 or signature.inputs[0].dtype != "int32":
            message = "A file-type model takes one int32 tensor, as Magika's does."
            raise TaskRefused(message)
        return Description(
            inputs=(
                Input(
                    "file",
                    InputKind.FILE,
                    "File",
                    help="any file; its name is not looked at",
                ),
            ),
            parameters=(top_parameter(),),
            outputs=(Output("labels", OutputKind.LABELS, "Type"),),
        )

    def preprocess(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> Any:  # noqa: ANN401 - see below
        """Return the features, or the bytes of a file too short for the model.

        Returns:
            Array of shape ``(1, begin + end)``, int32: batch, byte (0 to 255, or
            the padding token).
        """
        del parameters
        content: bytes = inputs["file"]
        begin = content[: self._block].lstrip()[: self._begin]
        if len(content) < self._min_bytes or len(begin) < self._min_bytes:
            return content
        end = content[-self._block :].rstrip()[-self._end :]
        row = np.full(self._begin + self._end, self._padding, dtype=np.int32)
        row[: len(begin)] = np.frombuffer(begin, np.uint8)
        if end:
            row[-len(end) :] = np.frombuffer(end, np.uint8)
        return row[None, :]

    def infer(self, prepared: Any) -> Any:  # noqa: ANN401 - array or bytes
        """Return the scores of all labels; short files need no model."""
        if isinstance(prepared, bytes):
            return prepared
        (scores,) = self._session.run(
            None, {self._session.get_inputs()[0].name: prepared}
        )
        return scores[0]

    def postprocess(
        self,
        raw: Any,  # noqa: ANN401 - array or bytes
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the likeliest labels, best first."""
        if isinstance(raw, bytes):
            return {"labels": [{"label": _by_encoding(raw), "score": 1.0}]}
        scores: dict[str, float] = {}
        for label, score in zip(self._labels, raw.tolist(), strict=True):
            shown = self._overwrite.get(label, label)
            scores[shown] = scores.get(shown, 0.0) + score
        best = sorted(scores.items(), key=lambda pair: -pair[1])[: parameters[TOP]]
        return {"labels": [{"label": label, "score": score} for label, score in best]}


def _by_encoding(content: bytes) -> str:
    """Tell text from anything else, as Magika does for a few bytes."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return UNKNOWN
    return TEXT
