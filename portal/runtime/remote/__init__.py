"""Models on other servers that speak the Open Inference Protocol, version 2."""

from portal.runtime.remote.failures import RemoteFailed, RemoteInvalid
from portal.runtime.remote.metadata import Metadata, RemoteRefused, read_metadata
from portal.runtime.remote.remote_model import RemoteModel, checked_url
from portal.runtime.remote.session import RemoteSession

__all__ = [
    "Metadata",
    "RemoteFailed",
    "RemoteInvalid",
    "RemoteModel",
    "RemoteRefused",
    "RemoteSession",
    "checked_url",
    "read_metadata",
]
