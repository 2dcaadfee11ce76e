"""The published models and their versions."""

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal import runtime
from portal.db import Base, now
from portal.errors import Unavailable
from portal.runtime.tasks import Settings


class Visibility(StrEnum):
    """Who finds a model."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    PRIVATE = "private"


class ModelStatus(StrEnum):
    """Whether a model answers, and if not, why."""

    LIVE = "live"
    WITHDRAWN = "withdrawn"
    NO_VERSION = "no-version"


class Model(Base):
    """A machine-learning model, published by name.

    Attributes:
        name: The slug in its addresses; unique.
        live_number: The version that answers; None while there is none.
        previous_number: The version that answered before; None: no other did.
        owner_id: The user who sees it when it is private, with the owners.
        withdrawn_at: Set while the model is not callable.
    """

    __tablename__ = "models"
    is_cached = True

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    visibility: Mapped[str] = mapped_column(String(20), default=Visibility.PUBLIC)
    live_number: Mapped[int | None]
    previous_number: Mapped[int | None]
    owner_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None]

    versions: Mapped[list["ModelVersion"]] = relationship(
        back_populates="model", order_by="ModelVersion.number"
    )

    @property
    def live(self) -> "ModelVersion":
        """The version that answers; a callable model always has one."""
        return next(v for v in self.versions if v.number == self.live_number)

    def make_live(self, number: int) -> None:
        """Let version *number* answer, and keep which one did before."""
        if number != self.live_number:
            self.previous_number = self.live_number
            self.live_number = number

    @property
    def previous(self) -> "ModelVersion | None":
        """The version that answered before the live one, if one did."""
        return next(
            (v for v in self.versions if v.number == self.previous_number), None
        )

    @property
    def is_withdrawn(self) -> bool:
        """Whether the owner took the model off."""
        return self.withdrawn_at is not None

    @property
    def status(self) -> ModelStatus:
        """Whether it answers, and if not, why."""
        if self.is_withdrawn:
            return ModelStatus.WITHDRAWN
        if self.live_number is None:
            return ModelStatus.NO_VERSION
        return ModelStatus.LIVE


class ModelVersion(Base):
    """One immutable manifest and its files.

    Attributes:
        number: 1, 2, 3 … within the model.
        digest: SHA-256 over the canonical manifest and the files' digests.
        manifest: As in `portal.catalog.manifest.Manifest`.
        signatures: Role of each ONNX file → its signature, as JSON.
        example_result: What the first example gave when it was published:
            ``{"outputs": …, "timings_ms": …}``.
        failed_at: Since when it can't be loaded; None while it can.
        kept_measurement: The row of its `measurement`.
    """

    __tablename__ = "model_versions"
    is_cached = True
    __table_args__ = (
        UniqueConstraint("model_id", "number"),
        UniqueConstraint("model_id", "digest", name="uq_model_versions_digest"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    number: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[dict[str, Any]] = mapped_column(JSON)
    signatures: Mapped[dict[str, Any]] = mapped_column(JSON)
    example_result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=now)
    failed_at: Mapped[datetime | None]

    model: Mapped[Model] = relationship(back_populates="versions", lazy="joined")
    kept_measurement: Mapped["VersionMeasurement | None"] = relationship(
        lazy="joined", viewonly=True
    )

    @property
    def measurement(self) -> runtime.Measurement | None:
        """What it takes of the machine; None until it was measured."""
        kept = self.kept_measurement
        return runtime.Measurement.from_json(kept.figures) if kept else None

    @cached_property
    def specs(self) -> dict[Path, runtime.VersionSpec]:
        """What `portal.catalog.version_spec` made of it, by data folder."""
        return {}

    @property
    def title(self) -> str:
        """The model's name as people read it."""
        return str(self.manifest["title"])

    @property
    def summary(self) -> str:
        """One line for the gallery."""
        return str(self.manifest["summary"])

    @property
    def task(self) -> str:
        """The name of its task."""
        return str(self.manifest["task"])

    @property
    def licence(self) -> str:
        """The SPDX name of its licence, if given."""
        return str(self.manifest["licence"])

    @property
    def card(self) -> str:
        """The model card, in Markdown."""
        return str(self.manifest["card"])

    @property
    def size_bytes(self) -> int:
        """What its model files weigh."""
        return sum(file["size_bytes"] for file in self.manifest["files"].values())

    @property
    def is_live(self) -> bool:
        """Whether this version answers."""
        return self.number == self.model.live_number

    @property
    def is_previous(self) -> bool:
        """Whether this version answered before the live one."""
        return self.number == self.model.previous_number

    @property
    def signature_by_role(self) -> dict[str, runtime.Signature]:
        """Role of each ONNX file → its signature."""
        return {
            role: runtime.Signature.from_json(document)
            for role, document in self.signatures.items()
        }

    @property
    def options(self) -> dict[str, Any]:
        """The table ``[settings]``, which most manifests lack."""
        options: dict[str, Any] = self.manifest.get("settings", {})
        return options

    @property
    def timeout_s(self) -> float:
        """How long a call may take, in seconds."""
        return float(self._limits.get("timeout_s", runtime.DEFAULT_TIMEOUT_S))

    @property
    def rate(self) -> str:
        """How often each caller may call the model; "": as often as anything."""
        return str(self._limits.get("rate", ""))

    @property
    def is_isolated(self) -> bool:
        """Whether it runs in a process of its own."""
        return bool(self._limits.get("isolated", False))

    @property
    def memory_mb(self) -> int:
        """What that process may ask for, in MiB."""
        return int(self._limits.get("memory_mb", runtime.DEFAULT_MEMORY_MB))

    @property
    def wanted_batching(self) -> runtime.Batching | None:
        """How its calls are to be joined, if that pays; None: not at all."""
        table: dict[str, Any] = self.manifest.get("batching", {})
        return runtime.Batching(**table) if table else None

    @property
    def batching(self) -> runtime.Batching | None:
        """How its calls are joined: as it wants, if a measurement said that it pays."""
        if self.wanted_batching is None:  # nearly always
            return None
        measured = self.measurement
        trial = measured.batching if measured else None
        return self.wanted_batching if trial and trial.is_on else None

    @property
    def remote(self) -> runtime.RemoteModel | None:
        """Where its model lives, if that is another server."""
        entry = self.manifest.get("remote")
        return remote_model(entry) if entry else None

    @property
    def platform(self) -> str:
        """What runs it on that server, in its own word; empty: unsaid, or here."""
        return str(self.manifest.get("remote", {}).get("platform", ""))

    @property
    def _limits(self) -> dict[str, Any]:
        """The table ``[limits]``, which most manifests lack."""
        limits: dict[str, Any] = self.manifest.get("limits", {})
        return limits

    @cached_property
    def description(self) -> runtime.Description:
        """What the version takes and gives."""
        settings = Settings(
            signatures=self.signature_by_role,
            labels=tuple(self.manifest["labels"]),
            options=self.options,
        )
        try:
            return runtime.describe(self.task, settings)
        except Exception as error:
            # It fitted when it was published: its plug-in is away or has changed.
            message = "The task %(task)s of this model is not available at the moment."
            raise Unavailable(message, retry_after_s=30, task=self.task) from error

    @property
    def is_usable(self) -> bool:
        """Whether its task is there: a plug-in may be uninstalled or broken."""
        if runtime.is_built_in(self.task):
            return True
        try:
            return bool(self.description)
        except Unavailable:
            return False


class VersionMeasurement(Base):
    """What a version took of the machine when it was measured last.

    Attributes:
        figures: As in `portal.runtime.Measurement`.
    """

    __tablename__ = "version_measurements"
    is_cached = True

    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True
    )
    measured_at: Mapped[datetime] = mapped_column(default=now)
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)


class VersionTiming(Base):
    """What the calls of a version took in one process, within one span of time.

    Attributes:
        starts_at: Of the span (`portal.catalog.timings.SPAN_S`).
        holder: The process, by the name of its spool.
        tally: As in `portal.runtime.Tally`.
    """

    __tablename__ = "version_timings"

    version_id: Mapped[int] = mapped_column(
        ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True
    )
    starts_at: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    holder: Mapped[str] = mapped_column(String(16), primary_key=True)
    tally: Mapped[dict[str, Any]] = mapped_column(JSON)


def remote_model(entry: dict[str, Any]) -> runtime.RemoteModel:
    """Return where the model lives that the table ``remote`` of a manifest tells of."""
    described = {"platform", "signature"}
    return runtime.RemoteModel(
        **{key: value for key, value in entry.items() if key not in described}
    )


def subject(name: str) -> str:
    """Return what the audit trail calls the model *name*."""
    return f"model:{name}"
