"""Real servers for the suite: PostgreSQL, Redis, SMTP, nginx and the portal itself.

Each listens on a free port of 127.0.0.1, keeps its files in a temporary folder,
and stops only the processes it started. All are context managers::

    with Postgres() as postgres, Redis() as redis:
        url = postgres.create_database("portal")
        with Portal.production(url, redis.url) as portal:
            portal.flask("users", "create", "--email", "ada@example.org")
            requests.get(portal.base_url, timeout=5)

A server dies with the thread that started it, so start them in the main thread.
"""

from ._process import ServerFailed, free_port
from .chromium import CHROMIUM_ARGS, chromium_path
from .nginx import Nginx
from .portal import Portal
from .postgres import Postgres
from .redis import Redis
from .smtp import ReceivedMail, SmtpSink

__all__ = [
    "CHROMIUM_ARGS",
    "Nginx",
    "Portal",
    "Postgres",
    "ReceivedMail",
    "Redis",
    "ServerFailed",
    "SmtpSink",
    "chromium_path",
    "free_port",
]
