"""Reads the table ``[settings]`` of a manifest into what a task declares."""

from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    ValidationError,
)

from portal.runtime.tasks.base import Settings, TaskRefused

Numeral = Annotated[FiniteFloat, Field(strict=True)]
Positive = Annotated[FiniteFloat, Field(strict=True, gt=0)]
Switch = Annotated[StrictBool, Field(description="true or false")]
MaxTokens = Annotated[
    Annotated[StrictInt, Field(ge=1, le=32768)] | None,
    Field(description="a whole number from 1 to 32768"),
]


class Options(BaseModel):
    """The settings of a task; each field's description says what it must be."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Read = TypeVar("Read", bound=Options)


def read_options(kind: type[Read], settings: Settings) -> Read:
    """Return the settings as *kind* declares them.

    Raises:
        TaskRefused: naming the first that can't be used.
    """
    try:
        return kind.model_validate(settings.options)
    except ValidationError as invalid:
        key = str(invalid.errors()[0]["loc"][0])
        field: Any = kind.model_fields.get(key)
        wanted = field.description if field else "left out"
        message = "[settings] %(key)s must be %(wanted)s."
        raise TaskRefused(message, key=key, wanted=wanted) from None
