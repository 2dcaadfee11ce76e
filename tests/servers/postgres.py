"""A real PostgreSQL."""

import os
import pwd
import shutil
import signal
from pathlib import Path

import psycopg2
from psycopg2 import sql

from ._process import LOOPBACK, ChildProcess, Server, ServerFailed

FORGETFUL = (
    *("-c", "fsync=off"),
    *("-c", "synchronous_commit=off"),
    *("-c", "full_page_writes=off"),
)


class Postgres(Server):
    """A PostgreSQL cluster of its own; `start`, `stop` and `restart` keep the data."""

    def __init__(self, *, is_durable: bool = False) -> None:
        """Find the newest PostgreSQL on this machine.

        Unless it *is_durable*, commits don't wait for the disk.
        """
        super().__init__()
        self._is_durable = is_durable
        self._programs = _newest_postgres()
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._data = self.folder / "data"

    @property
    def url(self) -> str:
        """The address of the database ``postgres``, which always exists."""
        return self._url("postgres")

    def create_database(self, name: str) -> str:
        """Create the empty database *name*, in place of an older one.

        Returns:
            Its address, as PORTAL_DATABASE_URL takes it.
        """
        quoted = sql.Identifier(name)
        connection = psycopg2.connect(self.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted)
                )
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
        finally:
            connection.close()
        return self._url(name)

    def start(self) -> None:
        """Start it, the first time on a new cluster, and wait until it answers."""
        if not self._data.exists():
            self._initialise()
        self._process = ChildProcess(
            [
                self._programs / "postgres",
                *("-D", self._data),
                *("-p", str(self.port)),
                *("-k", self.folder),
                *("-c", f"listen_addresses={LOOPBACK}"),
                *(() if self._is_durable else FORGETFUL),
            ],
            log=self.folder / "postgres.log",
            user=self._user,
            stop_signal=signal.SIGINT,  # SIGTERM would wait for the clients to leave.
        )
        self._process.wait_until(self._answers, timeout_s=30)

    def _initialise(self) -> None:
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        initialising = ChildProcess(
            [
                self._programs / "initdb",
                *("-D", self._data),
                *("-U", "postgres"),
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            log=self.folder / "initdb.log",
            user=self._user,
        )
        initialising.wait_until(lambda: initialising.exit_code == 0, timeout_s=60)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@{LOOPBACK}:{self.port}/{database}"


def _newest_postgres() -> Path:
    found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return max(found, key=lambda path: float(path.parts[-3])).parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    message = "There is no PostgreSQL here; scripts/setup tests installs it."
    raise ServerFailed(message)
