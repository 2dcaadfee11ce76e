"""gzip and deflate: bodies that come compressed, answers that leave so."""

import zlib
from collections.abc import Sequence

from flask import Response, request

from portal.errors import Malformed, TooLarge, UnsupportedType

# Name → zlib's bits of the window, which also choose the format.
WINDOW_BITS = {"gzip": 31, "deflate": 15}
IDENTITY = "identity"
LEVEL = 1
# Below, the headers are most of an answer; above, the time is better spent on runs.
MIN_BYTES, MAX_BYTES = 16 * 1024, 32 * 1024 * 1024


def decompress(content: bytes, limit_bytes: int) -> bytes:
    """Return the body *content* of this request as it was before compression.

    Raises:
        UnsupportedType: The Content-Encoding isn't known.
        Malformed: It is damaged or cut off.
        TooLarge: It would be larger than *limit_bytes*.
    """
    encoding = request.headers.get("Content-Encoding", IDENTITY).strip().lower()
    if encoding == IDENTITY:
        return content
    if encoding not in WINDOW_BITS:
        message = "Send the body as gzip, deflate or uncompressed, not as %(came)s."
        raise UnsupportedType(message, came=encoding[:40])
    unpacker = zlib.decompressobj(WINDOW_BITS[encoding])
    try:
        unpacked = unpacker.decompress(content, limit_bytes + 1)
    except zlib.error:
        message = "The body can't be read as %(encoding)s."
        raise Malformed(message, encoding=encoding) from None
    if len(unpacked) > limit_bytes:
        message = "The body is larger than %(limit)d MB once it is decompressed."
        raise TooLarge(message, limit=limit_bytes // (1024 * 1024))
    if not unpacker.eof or unpacker.unused_data:
        message = "The body is not one whole %(encoding)s stream."
        raise Malformed(message, encoding=encoding)
    return unpacked


def compressed(pieces: Sequence[bytes]) -> Response:
    """Return an answer of *pieces*, compressed if it is large and the client likes."""
    size = sum(map(len, pieces))
    encoding = IDENTITY
    if MIN_BYTES <= size <= MAX_BYTES:
        choices = [*WINDOW_BITS, IDENTITY]
        encoding = request.accept_encodings.best_match(choices, IDENTITY)
    if encoding == IDENTITY:
        response = Response(pieces)
    else:
        packer = zlib.compressobj(LEVEL, wbits=WINDOW_BITS[encoding])
        response = Response([*map(packer.compress, pieces), packer.flush()])
        response.headers["Content-Encoding"] = encoding
    response.vary.add("Accept-Encoding")
    return response
