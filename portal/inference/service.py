"""One metered prediction."""

from collections.abc import Mapping
from typing import Any

from portal import catalog
from portal.db import release_connection
from portal.extensions import config, parts
from portal.inference.metering import Call
from portal.runtime import Prediction


def infer(
    call: Call, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Prediction:
    """Run the version of *call* on values that fit its description.

    Raises:
        Unavailable: The model is busy, or can't be loaded.
        Invalid: The model itself refuses the values.
    """
    if call.version is None:
        message = "a call needs a version before it can run"
        raise ValueError(message)
    loaded = parts().pool.get(catalog.version_spec(call.version, config()))
    # A run may take seconds: no database connection is held meanwhile.
    release_connection()
    call.prediction = loaded.predict(inputs, parameters)
    return call.prediction
