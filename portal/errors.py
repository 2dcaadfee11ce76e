"""The kinds of refusal. Each is a fact, said in one sentence a user may read.

A message is an English template with ``%(name)s`` places; the edge translates
it and fills in the values, so nothing here needs to know a language.
"""

from http import HTTPStatus


class PortalError(Exception):
    """A refusal that is the caller's to read: never a fault of the portal."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    slug = "internal-error"
    title = "Something went wrong"

    def __init__(self, message: str, /, **values: object) -> None:
        super().__init__(message)
        self.message = message
        self.values = values

    def __str__(self) -> str:
        """Return the sentence in English."""
        return self.message % self.values if self.values else self.message

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to this refusal."""
        return {}


class Malformed(PortalError):
    """A body that can't be parsed."""

    status = HTTPStatus.BAD_REQUEST
    slug = "malformed"
    title = "The request can't be read"


class Unauthenticated(PortalError):
    """No valid key or login.

    Args:
        message: The sentence.
        error: The ``error`` of the Bearer challenge (RFC 6750), if any.
        values: What the places of the message stand for.
    """

    status = HTTPStatus.UNAUTHORIZED
    slug = "unauthenticated"
    title = "A valid key is needed"

    def __init__(self, message: str, /, error: str = "", **values: object) -> None:
        super().__init__(message, **values)
        self.error = error

    @property
    def headers(self) -> dict[str, str]:
        """The challenge."""
        challenge = f'Bearer error="{self.error}"' if self.error else "Bearer"
        return {"WWW-Authenticate": challenge}


class Forbidden(PortalError):
    """Known, but not allowed."""

    status = HTTPStatus.FORBIDDEN
    slug = "forbidden"
    title = "Not allowed"


class ScopeMissing(Forbidden):
    """The key's scopes don't cover this."""

    @property
    def headers(self) -> dict[str, str]:
        """The challenge of RFC 6750, section 3.1."""
        return {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


class NotFound(PortalError):
    """Not there, or not for this reader."""

    status = HTTPStatus.NOT_FOUND
    slug = "not-found"
    title = "Not found"


class RequestTimedOut(PortalError):
    """A body that stopped arriving."""

    status = HTTPStatus.REQUEST_TIMEOUT
    slug = "request-timeout"
    title = "The request took too long to arrive"


class Conflict(PortalError):
    """Against the state of things."""

    status = HTTPStatus.CONFLICT
    slug = "conflict"
    title = "In conflict with what is there"


class TooLarge(PortalError):
    """A body over the limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    slug = "too-large"
    title = "The request is too large"


class UnsupportedType(PortalError):
    """A content type, or a kind of picture, that isn't taken."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    slug = "unsupported-type"
    title = "This type isn't taken"


class Invalid(PortalError):
    """Readable but wrong.

    Args:
        message: The sentence.
        pointer: Where, as a JSON pointer (RFC 6901) such as ``/inputs/image``.
        values: What the places of the message stand for.
    """

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    slug = "invalid"
    title = "The input is not valid"

    def __init__(self, message: str, /, pointer: str = "", **values: object) -> None:
        super().__init__(message, **values)
        self.pointer = pointer

    @property
    def field(self) -> str:
        """The last part of the pointer: the name of the form's field."""
        part = self.pointer.rpartition("/")[2]
        return part.replace("~1", "/").replace("~0", "~")


class LimitExceeded(PortalError):
    """A rate or quota is used up; *policy* names which."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    slug = "limit-exceeded"
    title = "A limit is reached"

    def __init__(
        self,
        message: str,
        /,
        *,
        retry_after_s: int,
        policy: str = "",
        **values: object,
    ) -> None:
        super().__init__(message, **values)
        self.retry_after_s = retry_after_s
        self.policy = policy

    @property
    def headers(self) -> dict[str, str]:
        """When to come back."""
        return {"Retry-After": str(max(1, self.retry_after_s))}


class Unavailable(PortalError):
    """A part that the call needs is away or full."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    slug = "unavailable"
    title = "Not available at the moment"

    def __init__(
        self, message: str, /, *, retry_after_s: int = 1, **values: object
    ) -> None:
        super().__init__(message, **values)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """When to come back."""
        return {"Retry-After": str(max(1, self.retry_after_s))}


class TimedOut(PortalError):
    """A run that passed its time limit."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    slug = "timed-out"
    title = "The model took too long"


def pointer(*names: str) -> str:
    """Return the JSON pointer (RFC 6901) to the member *names* lead to."""
    escaped = (name.replace("~", "~0").replace("/", "~1") for name in names)
    return "".join(f"/{name}" for name in escaped)
