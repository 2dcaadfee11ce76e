"""The plans that people may have."""

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base

DEFAULT = "default"  # the plan of whoever has no other


class Plan(Base):
    """What a user may use.

    Attributes:
        name: Shown to the user; unique.
        rate: Predictions per window, in Flask-Limiter's notation.
        monthly_predictions: Answered predictions (2xx) per calendar month, UTC.
        monthly_compute_s: Seconds of computing per calendar month, UTC.
        concurrency: Predictions at the same time.
        max_upload_mb: The longest body of a call, in MiB; None: as the portal's.
        max_keys: API keys that are neither revoked nor expired.
        max_key_days: The longest life of a key, in days; None: a key may live for ever.
        models: The names of the models that may be called; empty: all.
    """

    __tablename__ = "plans"
    is_cached = True

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    rate: Mapped[str] = mapped_column(String(200))
    monthly_predictions: Mapped[int]
    monthly_compute_s: Mapped[int]
    concurrency: Mapped[int]
    max_upload_mb: Mapped[int | None]
    max_keys: Mapped[int]
    max_key_days: Mapped[int | None]
    models: Mapped[list[str]] = mapped_column(JSON)

    @property
    def is_default(self) -> bool:
        """Whether it is the plan of whoever has no other."""
        return self.name == DEFAULT

    def allows(self, model: str) -> bool:
        """Whether the model of this name may be called."""
        return not self.models or model in self.models
