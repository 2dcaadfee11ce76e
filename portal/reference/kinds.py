"""Every kind of refusal, explained to whoever meets it."""

from dataclasses import dataclass
from itertools import chain

from flask_babel import lazy_gettext as _

from portal.errors import PortalError

# Slug → when it happens, and what to do.
EXPLANATIONS = {
    "malformed": (
        _(
            "The body can't be parsed: broken JSON, NaN or Infinity in it, a broken "
            "multipart body, or fewer bytes than announced."
        ),
        _("Check how the body is built and send it again. The detail says where."),
    ),
    "unauthenticated": (
        _(
            "There is no key in the request, or it is mistyped, expired or revoked. "
            "The words are the same for all of these."
        ),
        _(
            "Send the key as “Authorization: Bearer mp_…” or “X-API-Key: mp_…”. "
            "Your keys page shows which keys are active."
        ),
    ),
    "forbidden": (
        _(
            "The key is good, but not for this: a scope is missing, your address is "
            "not confirmed yet, or the account is suspended."
        ),
        _(
            "Read the detail: make a key with the scope it names, confirm your "
            "address, or write to the owner."
        ),
    ),
    "not-found": (
        _(
            "There is no such model, version or address. A private model of "
            "someone else looks the same."
        ),
        _("Check the spelling against GET /api/v1/models."),
    ),
    "method-not-allowed": (
        _("The address is right, the method is not."),
        _("The Allow header lists the methods that are taken."),
    ),
    "request-timeout": (
        _("The body did not arrive in time."),
        _("Send a smaller picture, or try from a faster connection."),
    ),
    "conflict": (
        _("The request contradicts what is there, such as one key too many."),
        _("The detail says what stands in the way."),
    ),
    "too-large": (
        _("The body is over the size limit, announced or not."),
        _("Send a smaller file: scale the picture down or save it as JPEG."),
    ),
    "unsupported-type": (
        _(
            "The content type is not taken here, or the picture is of a format that "
            "is not taken, such as GIF, TIFF or HEIC."
        ),
        _(
            "Send multipart/form-data, JSON or bare bytes; "
            "pictures as PNG, JPEG or WebP."
        ),
    ),
    "invalid": (
        _(
            "The request can be read, but a value in it is wrong: not a picture, too "
            "many pixels, a wrong shape or type, out of range."
        ),
        _(
            "Each entry of “errors” points to the field (“pointer”) and says what is "
            "needed. Change it and send it again."
        ),
    ),
    "limit-exceeded": (
        _(
            "A rate, the monthly quota or the number of calls at one time is used up. "
            "“violated-policies” names which."
        ),
        _("Wait as many seconds as Retry-After says, then send it again."),
    ),
    "internal-error": (
        _("The fault is ours."),
        _("Try again. If it stays, send the owner the id in “instance”."),
    ),
    "unavailable": (
        _("The model's queue is full, or a part that the call needs is away."),
        _("Wait as many seconds as Retry-After says, then send it again."),
    ),
    "timed-out": (
        _("The model ran past its time limit."),
        _("Send a smaller input. If it stays, tell the owner."),
    ),
}


@dataclass(frozen=True)
class Kind:
    """One kind of refusal, for the page."""

    slug: str
    title: str
    status: int
    when: str
    remedy: str


def kinds() -> list[Kind]:
    """Return every kind that an answer may name, by status."""
    by_slug: dict[str, type[PortalError]] = {}
    level: list[type[PortalError]] = [PortalError]
    while level:
        # Level by level, so that a kind comes before its special cases.
        for kind in level:
            by_slug.setdefault(kind.slug, kind)
        level = list(chain.from_iterable(kind.__subclasses__() for kind in level))
    found = [
        Kind(slug, kind.title, int(kind.status), *map(str, EXPLANATIONS[slug]))
        for slug, kind in by_slug.items()
    ]
    return sorted(found, key=lambda kind: kind.status)
