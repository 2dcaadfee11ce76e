"""BentoML with two workers, without its log of every request."""

from typing import Any

import bentoml
from session import Model


@bentoml.service(workers=2, logging={"access": {"enabled": False}})
class Predictor:
    """One model per worker."""

    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api
    def predict(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Answer one prediction."""
        return self.model.predict(inputs)
