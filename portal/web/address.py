"""Who is at the other end: the client's address and the network it counts as."""

import ipaddress

from flask import request

IPV6_PREFIX = 64  # one household; single addresses in it are free to draw


def client_address() -> str:
    """Return the client's address (behind trusted proxies: what they say)."""
    return request.remote_addr or "unknown"


def client_network() -> str:
    """Return what limits per address count: IPv4 whole, IPv6 by /64."""
    return network_of(client_address())


def network_of(address: str) -> str:
    """Return the network that limits count *address* as."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))
    return str(parsed)
