"""What a version says of itself: `model.toml`, checked and made canonical."""

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from portal.catalog.tables import Visibility
from portal.errors import Invalid
from portal.limits import checked_rate
from portal.runtime import (
    DEFAULT_MEMORY_MB,
    DEFAULT_TIMEOUT_S,
    MODEL_ROLE,
    RemoteModel,
    checked_url,
)

MANIFEST_NAME = "model.toml"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
RESERVED_NAMES = {"stats"}  # an address of the Open Inference Protocol
Title = Annotated[str, Field(min_length=1, max_length=100)]
FileName = Annotated[str, Field(min_length=1, max_length=200)]


class ManifestInvalid(Invalid):
    """A manifest that can't be used; the sentence says what to change."""


class ExampleDraft(BaseModel):
    """An example as written: values, or the paths of files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Title
    inputs: dict[str, Any]


class Limits(BaseModel):
    """The table ``[limits]``: what a call of the model may take.

    Attributes:
        rate: How often each caller may call the model, in Flask-Limiter's notation.
        isolated: Whether the version runs in a process of its own.
        memory_mb: What that process may ask for; libraries alone take some 300.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_s: Annotated[float, Field(ge=0.1, le=60)] = DEFAULT_TIMEOUT_S
    rate: str = ""
    isolated: bool = False
    memory_mb: Annotated[int, Field(ge=512, le=1_048_576)] = DEFAULT_MEMORY_MB

    @field_validator("rate")
    @classmethod
    def _check_rate(cls, value: str) -> str:
        try:
            return checked_rate(value) if value else ""
        except Invalid as invalid:
            raise ValueError(str(invalid)) from None


class BatchingDraft(BaseModel):
    """The table ``[batching]``: how calls may be joined into one run, if that pays.

    Attributes:
        max: How many rows a joint run has at most.
        max_wait_ms: How long a call waits for others that are on their way.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max: Annotated[int, Field(ge=2, le=1024)]
    max_wait_ms: Annotated[float, Field(ge=0, le=1000)] = 2.0


class Remote(BaseModel):
    """The table ``[remote]``: on which other server the model lives.

    Attributes:
        binary: Whether tensors travel as bytes; None: if the server says that it can.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(max_length=500), AfterValidator(checked_url)]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]{0,64}$")] = ""
    binary: bool | None = None
    concurrent: Annotated[int, Field(ge=1, le=64)] = RemoteModel.concurrent
    connect_timeout_s: Annotated[float, Field(ge=0.1, le=30)] = (
        RemoteModel.connect_timeout_s
    )
    max_answer_mb: Annotated[int, Field(ge=1, le=1024)] = RemoteModel.max_answer_mb


class Draft(BaseModel):
    """`model.toml` as written.

    Attributes:
        task: None: it is guessed.
        remote: None: the model is among the files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str = Field("", max_length=100)
    summary: str = Field("", max_length=200)
    task: str | None = None
    licence: str = Field("", max_length=100)
    visibility: Visibility = Visibility.PUBLIC
    card: str = ""
    labels: str = ""
    files: dict[str, FileName] = Field(default_factory=dict)
    remote: Remote | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    limits: Limits = Limits()
    batching: BatchingDraft | None = None
    examples: tuple[ExampleDraft, ...] = ()

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not NAME.fullmatch(value) or value in RESERVED_NAMES:
            message = (
                f"{value!r} can't be a model's name; take 1 to 63 of a-z, 0-9 and -, "
                "beginning with a letter or digit, and not the word stats"
            )
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.remote is None:
            return self
        if MODEL_ROLE in self.files:
            message = (
                "[remote] says that the model lives on another server, and [files] "
                "names one; leave one of them out"
            )
            raise ValueError(message)
        if self.limits.isolated:
            message = (
                "[limits] isolated is for models that run here; one on another server "
                "has no process of its own"
            )
            raise ValueError(message)
        if self.batching is not None:
            message = (
                "[batching] is for models that run here; one on another server joins "
                "calls there, or not at all"
            )
            raise ValueError(message)
        return self


def read(folder: Path) -> dict[str, Any]:
    """Return the document in the folder's `model.toml`.

    Raises:
        ManifestInvalid: It is missing or not TOML.
    """
    path = folder / MANIFEST_NAME
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        message = "The folder %(folder)s has no model.toml."
        raise ManifestInvalid(message, folder=folder.name) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = "model.toml is not valid TOML: %(why)s."
        raise ManifestInvalid(message, why=str(error)) from None


def check(document: dict[str, Any]) -> Draft:
    """Return the checked manifest.

    Raises:
        ManifestInvalid: naming the first key that can't be used.
    """
    try:
        return Draft.model_validate(document)
    except ValidationError as invalid:
        error = invalid.errors()[0]
        key = ".".join(str(part) for part in error["loc"])
        if error["type"] == "extra_forbidden":
            why = "is not a key of the manifest"
        else:
            why = error["msg"].removeprefix("Value error, ").rstrip(".")
        where = f"{key}: " if key else ""
        message = "model.toml: %(where)s%(why)s."
        raise ManifestInvalid(message, where=where, why=why) from None


def default_name(path: Path) -> str:
    """Return the file's name in lower case, other characters as hyphens."""
    name = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")
    return name[:63].rstrip("-") or "model"


def set_key(document: dict[str, Any], assignment: str) -> None:
    """Set one key, as ``a.b=value``; the value is TOML, or else a string.

    Raises:
        ManifestInvalid: It isn't an assignment, or goes through a value.
    """
    key, separator, text = assignment.partition("=")
    if not separator or not key:
        message = "--set takes KEY=VALUE, such as --set licence=MIT; %(came)s isn't."
        raise ManifestInvalid(message, came=assignment)
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.split(".")
    table = document
    for parent in parents:
        child = table.setdefault(parent, {})
        if not isinstance(child, dict):
            message = "--set %(key)s: %(parent)s is a value, not a table."
            raise ManifestInvalid(message, key=key, parent=parent)
        table = child
    table[last] = value


def digest(manifest: dict[str, Any]) -> str:
    """Return SHA-256 over the canonical manifest, which holds the files' digests."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
