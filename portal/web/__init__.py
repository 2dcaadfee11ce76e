"""What every page and every API route shares: rendering, errors, security."""

from portal.web.address import client_address, client_network
from portal.web.body import read_body
from portal.web.redirects import local_path, see_other
from portal.web.rendering import render
from portal.web.request_ids import request_id

__all__ = [
    "client_address",
    "client_network",
    "local_path",
    "read_body",
    "render",
    "request_id",
    "see_other",
]
