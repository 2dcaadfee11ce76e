"""What a key is narrowed to: models by name, addresses (CIDR), browser origins.

An empty list narrows nothing. An origin is ``scheme://host[:port]`` as browsers send
it: lower case, ASCII, without the port that the scheme has anyway.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from portal.errors import Invalid
from portal.keys.errors import AddressNotAllowed, ModelNotAllowed, OriginNotAllowed

MAX_ENTRIES = 50  # of each kind: judged at every call
MAX_ORIGIN_CHARS = 300  # those of the longest host, and more
MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
SEPARATORS = re.compile(r"[,;\s]+")
HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?",
    re.ASCII,
)
SHOWN_CHARS = 80
DEFAULT_PORTS = {"http": 80, "https": 443}
IPV4_BITS_IN_IPV6 = 96  # ::ffff:0:0/96 holds all of IPv4
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Restrictions:
    """Checked entries, each list in the order in which it was typed."""

    models: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is narrowed."""
        return bool(self.models or self.addresses or self.origins)


def read_restrictions(
    *,
    models: Iterable[str] = (),
    addresses: Iterable[str] = (),
    origins: Iterable[str] = (),
) -> Restrictions:
    """Return the restrictions that these entries, as typed, stand for.

    Raises:
        Invalid: An entry can't be one; it is named.
    """
    return Restrictions(
        models=_read("models", models, _model),
        addresses=_read("addresses", addresses, _address),
        origins=_read("origins", origins, _origin),
    )


def entries_in(text: str) -> list[str]:
    """Return the entries in *text*: one per line, or with commas between them."""
    return [entry for entry in SEPARATORS.split(text) if entry]


def check_model(restrictions: Restrictions, name: str) -> None:
    """Refuse a model that is not among those allowed.

    Raises:
        ModelNotAllowed: naming those that are.
    """
    if restrictions.models and name not in restrictions.models:
        raise ModelNotAllowed(name, restrictions.models)


def check_place(restrictions: Restrictions, *, address: str, origin: str) -> None:
    """Refuse a call from where it may not come from.

    Args:
        restrictions: Of the key.
        address: Of the client.
        origin: Its header ``Origin``, empty when there is none. A key for browsers
            needs one: they send it with every call to another site.

    Raises:
        AddressNotAllowed, OriginNotAllowed: It may not.
    """
    if restrictions.addresses and not _is_within(address, restrictions.addresses):
        raise AddressNotAllowed(address)
    if restrictions.origins and origin not in restrictions.origins:
        raise OriginNotAllowed(origin)


def _read(
    kind: str, typed: Iterable[str], check: Callable[[str], str]
) -> tuple[str, ...]:
    entries = tuple(dict.fromkeys(check(entry.strip()) for entry in typed))
    if len(entries) > MAX_ENTRIES:
        raise Invalid(
            "At most %(most)d of these fit one key; these are %(came)d.",
            f"/{kind}",
            most=MAX_ENTRIES,
            came=len(entries),
        )
    return entries


def _model(entry: str) -> str:
    if MODEL_NAME.fullmatch(entry) is None:
        raise Invalid(
            "“%(entry)s” is no name of a model. A name is the last part of the "
            "address of its page, such as ocr.",
            "/models",
            entry=_shown(entry),
        )
    return entry


def _address(entry: str) -> str:
    try:
        # A zone such as %eth0 means something on one machine only.
        network = ipaddress.ip_network(entry.replace("%", "?"), strict=False)
    except ValueError:
        raise Invalid(
            "“%(entry)s” is no address. Write one such as 203.0.113.7 or "
            "2001:db8::7, or a network such as 203.0.113.0/24 or 2001:db8::/48.",
            "/addresses",
            entry=_shown(entry),
        ) from None
    if "/" in entry and ipaddress.ip_interface(entry).ip != network.network_address:
        raise Invalid(
            "“%(entry)s” is an address within a network. Write %(network)s for the "
            "network, or leave out what stands after the address.",
            "/addresses",
            entry=_shown(entry),
            network=_written(network),
        )
    return _written(_unmapped(network))


def _written(network: Network) -> str:
    """Write *network*; one that is a single address without its length."""
    is_single = network.prefixlen == network.max_prefixlen
    return str(network.network_address if is_single else network)


def _unmapped(network: Network) -> Network:
    """Return the IPv4 network that an IPv6 one stands for, if it does."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < IPV4_BITS_IN_IPV6:
        return network
    return ipaddress.ip_network((int(mapped), network.prefixlen - IPV4_BITS_IN_IPV6))


def _origin(entry: str) -> str:
    try:
        parts = urlsplit(entry.rstrip("/"))
        is_plain = not (parts.path or parts.query or parts.fragment or "@" in entry)
        if parts.scheme in DEFAULT_PORTS and is_plain and parts.hostname:
            host, port = _host(parts.hostname), parts.port
            if port in {None, DEFAULT_PORTS[parts.scheme]}:
                return f"{parts.scheme}://{host}"
            return f"{parts.scheme}://{host}:{port}"
    except ValueError:
        pass
    raise Invalid(
        "“%(entry)s” is no origin. Write what stands before the path in the address "
        "of the web page, such as https://example.org or http://localhost:3000.",
        "/origins",
        entry=_shown(entry),
    )


def _host(name: str) -> str:
    """Return the host *name* as browsers write it.

    Raises:
        ValueError: It is none.
    """
    if ":" in name:
        return f"[{ipaddress.IPv6Address(name)}]"
    host = name if name.isascii() else name.encode("idna").decode()
    if HOST.fullmatch(host) is None:
        message = "not a host name"
        raise ValueError(message)
    return host


def _shown(entry: str) -> str:
    return entry if len(entry) <= SHOWN_CHARS else f"{entry[:SHOWN_CHARS]}…"


def _is_within(address: str, allowed: Iterable[str]) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in _network(entry) for entry in allowed)


@lru_cache(maxsize=4096)
def _network(entry: str) -> Network:
    return ipaddress.ip_network(entry)
