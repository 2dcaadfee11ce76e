"""The settings: read once from the environment and `.env`, then frozen.

Nothing else in the portal reads ``os.environ``. Every mistake becomes one
sentence that names the setting (`SettingInvalid`).
"""

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

import limits
from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "PORTAL_"
# Kubernetes injects these for a service that is called "portal".
INJECTED = re.compile(r"PORTAL_(SERVICE_|PORT$|PORT_)")
MIN_SECRET_CHARS = 32
# Host and port, then what may stand in a header.
REMOTE_TOKEN = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s=:\[\]/@]+):\d{1,5}=[!-~]+")
# As in portal/runtime/providers.py.
PROVIDERS = {"cpu", "cuda", "dnnl", "migraphx", "openvino", "tensorrt"}


class SettingInvalid(Exception):
    """A setting that can't be used; the message is one sentence for the owner."""


class SmtpServer(BaseModel):
    """One SMTP server, as written in ``PORTAL_SMTP_URLS``."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    username: str | None
    password: str | None
    uses_ssl: bool
    uses_starttls: bool

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Parse ``smtp://user:pass@host:587?tls=starttls`` or ``smtps://…``."""
        parts = urlsplit(url)
        tls = parse_qs(parts.query).get("tls", [""])[0]
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            message = "must look like smtp://user:password@host:587?tls=starttls"
            raise ValueError(message)
        if tls not in {"", "starttls"}:
            message = "knows tls=starttls only (or the scheme smtps://)"
            raise ValueError(message)
        uses_ssl = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if uses_ssl else 587 if tls else 25),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            uses_ssl=uses_ssl,
            uses_starttls=bool(tls),
        )


def _comma_list(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]


class Config(BaseModel):
    """Every setting of the portal; the README says what each one means."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    base_url: str = ""
    allowed_hosts: CommaList = ()
    secret_key: CommaList = ()
    data_dir: Path = Path("var")
    database_url: str = ""
    redis_url: str = ""
    smtp_urls: CommaList = ()
    mail_from: str = "Model Portal <portal@localhost>"
    signup: Literal["open", "closed"] = "open"
    trusted_proxies: int = Field(0, ge=0, le=10)
    workers: int = Field(0, ge=0, le=256)
    threads: int = Field(8, ge=1, le=256)
    anonymous_rate: str = "10/minute;100/day"
    max_upload_mb: int = Field(10, ge=1, le=1024)
    # The list of models tells the calls of the last seven days.
    usage_retention_days: int = Field(90, ge=7, le=3650)
    inference_threads: int = Field(1, ge=1, le=256)
    inference_providers: CommaList = ()
    remote_tokens: CommaList = ()

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or parts.path not in {"", "/"}
            or parts.query
        ):
            message = "must be an address such as https://portal.example.org"
            raise ValueError(message)
        return value.rstrip("/")

    @field_validator("data_dir")
    @classmethod
    def _resolve_data_dir(cls, value: Path) -> Path:
        return (ROOT / value).resolve()

    @field_validator("database_url")
    @classmethod
    def _name_the_driver(cls, value: str) -> str:
        if not value:
            return value
        scheme, separator, rest = value.partition("://")
        if separator and scheme in {"postgres", "postgresql", "postgresql+psycopg2"}:
            return f"postgresql+psycopg2://{rest}"
        if separator and scheme == "sqlite":
            return value
        message = "must begin with postgresql:// or sqlite:///"
        raise ValueError(message)

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            message = "must look like redis://host:6379/0"
            raise ValueError(message)
        return value

    @field_validator("smtp_urls")
    @classmethod
    def _check_smtp_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            SmtpServer.from_url(url)
        return value

    @field_validator("mail_from")
    @classmethod
    def _check_mail_from(cls, value: str) -> str:
        if "@" not in value or "\n" in value or "\r" in value:
            message = "must be an address such as Model Portal <portal@example.org>"
            raise ValueError(message)
        return value

    @field_validator("anonymous_rate")
    @classmethod
    def _check_rate(cls, value: str) -> str:
        try:
            limits.parse_many(value)
        except ValueError:
            message = "must look like 10/minute;100/day"
            raise ValueError(message) from None
        return value

    @field_validator("inference_providers")
    @classmethod
    def _check_providers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - PROVIDERS:
            message = f"knows {', '.join(sorted(PROVIDERS))}, separated by commas"
            raise ValueError(message)
        return value

    @field_validator("remote_tokens")
    @classmethod
    def _check_remote_tokens(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        servers = [entry.partition("=")[0].lower() for entry in value]
        is_sound = all(REMOTE_TOKEN.fullmatch(entry) for entry in value)
        if not is_sound or len(set(servers)) != len(servers):
            message = (
                "must look like host:8000=token, separated by commas, each server once"
            )
            raise ValueError(message)
        return value

    @field_validator("secret_key")
    @classmethod
    def _check_secret(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(secret) < MIN_SECRET_CHARS for secret in value):
            message = (
                f"must have {MIN_SECRET_CHARS} characters or more; make one with: "
                "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _one_worker_without_redis(self) -> Self:
        if self.workers > 1 and not self.redis_url:
            message = (
                "PORTAL_WORKERS above 1 needs PORTAL_REDIS_URL, "
                "since the limits must be shared between workers"
            )
            raise ValueError(message)
        return self

    @classmethod
    def load(
        cls, environ: Mapping[str, str] | None = None, *, dotenv: Path | None = None
    ) -> Self:
        """Read the settings from *environ*, then from the file *dotenv*.

        Raises:
            SettingInvalid: naming the first setting that can't be used.
        """
        from_file = dotenv_values(dotenv or ROOT / ".env")
        merged = {key: value for key, value in from_file.items() if value is not None}
        merged.update(os.environ if environ is None else environ)
        values = _portal_values(merged)
        for name in ("HOST", "PORT"):
            if merged.get(name):
                values[name.lower()] = merged[name]
        try:
            config = cls.model_validate(values)
        except ValidationError as invalid:
            raise SettingInvalid(_sentence(invalid)) from None
        return config.with_defaults()

    def with_defaults(self) -> Self:
        """Fill in what depends on other settings or on the data folder."""
        changed: dict[str, Any] = {}
        if not self.base_url:
            host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - compared, not bound
            host = f"[{host}]" if ":" in host else host
            changed["base_url"] = f"http://{host}:{self.port}"
        if not self.allowed_hosts:
            own = urlsplit(str(changed.get("base_url", self.base_url))).hostname or ""
            own = f"[{own}]" if ":" in own else own
            changed["allowed_hosts"] = tuple(
                dict.fromkeys((own, "127.0.0.1", "localhost", "[::1]"))
            )
        if not self.secret_key:
            changed["secret_key"] = (_kept_secret(self.data_dir),)
        if not self.database_url:
            changed["database_url"] = f"sqlite:///{self.data_dir / 'portal.sqlite3'}"
        if not self.workers:
            changed["workers"] = (os.cpu_count() or 1) if self.redis_url else 1
        return self.model_copy(update=changed)

    @property
    def is_embedded(self) -> bool:
        """Whether everything runs in one process, without Redis."""
        return not self.redis_url

    @property
    def is_https(self) -> bool:
        """Whether readers reach the portal over TLS."""
        return self.base_url.startswith("https://")

    @property
    def max_upload_bytes(self) -> int:
        """The longest request body that is read, in bytes."""
        return self.max_upload_mb * 1024 * 1024

    @cached_property
    def token_by_server(self) -> dict[str, str]:
        """The token for each other server, by host in lower case and port."""
        entries = (entry.partition("=") for entry in self.remote_tokens)
        return {server.lower(): token for server, _, token in entries}

    @cached_property
    def smtp_servers(self) -> tuple[SmtpServer, ...]:
        """The SMTP servers in the order in which they are tried."""
        return tuple(SmtpServer.from_url(url) for url in self.smtp_urls)


def _portal_values(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the PORTAL_ values by field name, secrets in files read."""
    values: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or INJECTED.match(name):
            continue
        field = name.removeprefix(PREFIX).lower()
        if field in _SETTINGS:
            if value:
                values[field] = value
        elif field.endswith("_file") and field.removesuffix("_file") in _SETTINGS:
            # Compose sets an empty value for what the owner left out.
            if value:
                secret = _read_secret(name, value)
                values.setdefault(field.removesuffix("_file"), secret)
        else:
            message = f"{name} is not a setting of the portal; see .env.example."
            raise SettingInvalid(message)
    return values


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        message = (
            f"{name} names the file {path}, which can't be read: {error.strerror}."
        )
        raise SettingInvalid(message) from None
    except UnicodeDecodeError:
        message = f"{name} names the file {path}, which is not text in UTF-8."
        raise SettingInvalid(message) from None


def _sentence(invalid: ValidationError) -> str:
    error = invalid.errors()[0]
    text = error["msg"].removeprefix("Value error, ").rstrip(".")
    if not error["loc"]:
        return f"{text}."
    field = str(error["loc"][0])
    name = field.upper() if field in {"host", "port"} else PREFIX + field.upper()
    if error["type"] == "value_error":
        return f"{name} {text}."
    return f"{name} is not usable ({error['input']!r}): {text}."


def _kept_secret(data_dir: Path) -> str:
    """Return the secret of this data folder, made on the first start."""
    path = data_dir / "secret_key"
    # Containers that share the folder may have the same process id.
    draft = data_dir / f".secret_key.{secrets.token_hex(4)}"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(48))
            # A link never replaces: of two that start together, one wins whole.
            with suppress(FileExistsError):
                path.hardlink_to(draft)
            draft.unlink()
    except OSError as error:
        message = f"PORTAL_DATA_DIR ({data_dir}) can't be written: {error.strerror}."
        raise SettingInvalid(message) from None
    return path.read_text().strip()


_SETTINGS = frozenset(Config.model_fields) - {"host", "port"}
