"""Where a remote version lives: a model on a server of the Open Inference Protocol."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class RemoteModel:
    """A model on another server.

    Attributes:
        url: Of the server, such as ``https://host:8000``; a path may follow.
        model: Its name there.
        version: Its version there; empty: whichever the server takes.
        is_binary: Whether tensors are sent and asked for as bytes.
        concurrent: How many calls one process has there at once.
        connect_timeout_s: How long a connection may take to be made, in seconds.
        max_answer_mb: The longest answer that is read, in MB.
    """

    url: str
    model: str
    version: str = ""
    is_binary: bool = False
    concurrent: int = 4
    connect_timeout_s: float = 2.0
    max_answer_mb: int = 64

    def __str__(self) -> str:
        """Return where it lives, as people read it."""
        version = f", version {self.version}" if self.version else ""
        return f"{self.url}: {self.model}{version}"

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        """The host's name or address, in lower case."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port, said or not."""
        return urlsplit(self.url).port or PORTS[self.scheme]

    @property
    def authority(self) -> str:
        """Host and port, as a token is kept for them: ``host:443``, ``[::1]:8000``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def server_path(self) -> str:
        """The path of the protocol on the server."""
        return f"{urlsplit(self.url).path}/v2"

    @property
    def model_path(self) -> str:
        """The path of the model on the server."""
        path = f"{self.server_path}/models/{quote(self.model, safe='')}"
        if not self.version:
            return path
        return f"{path}/versions/{quote(self.version, safe='')}"

    @property
    def max_answer_bytes(self) -> int:
        """The longest answer that is read, in bytes."""
        return self.max_answer_mb * 1024 * 1024


def checked_url(url: str) -> str:
    """Return the URL of a server, without a slash at its end.

    Raises:
        ValueError: It is none; the message is what to write, without the URL.
    """
    message = (
        "must be the address of a server, such as https://host:8000, without user, "
        "password, question mark or #"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(message) from None
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\?#@")
    if parts.scheme not in PORTS or not parts.hostname or not is_plain or port == 0:
        raise ValueError(message)
    if any(part in {".", ".."} for part in parts.path.split("/")):
        raise ValueError(message)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
