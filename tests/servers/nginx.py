"""A real nginx, with the configuration of `deploy/nginx`."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ._process import LOOPBACK, ROOT, ChildProcess, Server, ServerFailed, free_port

SOURCE = ROOT / "deploy/nginx"
# What the image's entry point fills in; all other names are nginx's own.
PLACE = re.compile(r"\$\{((?:PORTAL|NGINX)_\w+)\}")
# Older ones say "http2 on" as a word of `listen`.
HTTP2_SINCE = (1, 25, 1)


class Nginx(Server):
    """The nginx of compose.yaml, on free ports, in front of *portals*.

    Attributes:
        base_url: where it answers plain http, without a slash at the end.
        https_port: where it answers TLS, if NGINX_LISTEN is https.
    """

    def __init__(
        self,
        portals: Sequence[int],
        settings: Mapping[str, str] | None = None,
        *,
        program: str | None = None,
    ) -> None:
        """Choose its ports; *portals* are the ports it passes requests on to.

        Raises:
            ServerFailed: There is no nginx here.
        """
        super().__init__()
        self.base_url = f"http://{LOOPBACK}:{self.port}"
        self.https_port = free_port()
        self._program = program or _nginx_path()
        servers = (f"server {LOOPBACK}:{port} fail_timeout=2s;" for port in portals)
        self._settings = {
            "NGINX_FILES": str(self.folder / "files"),
            "NGINX_HTTP_PORT": str(self.port),
            "NGINX_HTTPS_PORT": str(self.https_port),
            "NGINX_LISTEN": "http",
            "NGINX_SERVERS": " ".join(servers),
            "NGINX_TLS": str(self.folder / "tls"),
            "NGINX_TRUSTED_PROXY": "255.255.255.255",
            "PORTAL_BASE_URL": self.base_url,
            "PORTAL_MAX_UPLOAD_MB": "10",
            **(settings or {}),
        }

    @property
    def log(self) -> Path:
        """The file of its access log and its error log."""
        return self.folder / "nginx.log"

    def start(self) -> None:
        """Render its configuration, start it, and wait until it listens."""
        self._prepare()
        self._process = ChildProcess(self._command(), log=self.log)
        self._process.wait_until(self._listens, timeout_s=10)

    def check(self) -> subprocess.CompletedProcess[str]:
        """Run `nginx -t`; the exit status is not checked."""
        self._prepare()
        return subprocess.run(
            [*self._command(), "-t"], capture_output=True, text=True, check=False
        )

    def log_text(self) -> str:
        """Return all that it has logged."""
        return self.log.read_text(errors="replace")

    def _command(self) -> list[str]:
        # Started by root, it would become a user who can't read the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        return [
            self._program,
            *("-p", f"{self.folder}/"),
            *("-c", str(self.folder / "conf/nginx.conf")),
            *("-g", f"daemon off; {user}"),
        ]

    def _prepare(self) -> None:
        """Put files where the image has them, in our folder."""
        conf = self.folder / "conf"
        if conf.exists():
            return
        shutil.copytree(SOURCE / "portal", conf / "portal")
        shutil.copy(SOURCE / "nginx.conf", conf)
        for template in (SOURCE / "templates").rglob("*.template"):
            place = template.relative_to(SOURCE / "templates").with_suffix("")
            target = conf / "conf.d" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self._filled_in(template.read_text()))
        files = self.folder / "files"
        shutil.copytree(SOURCE / "errors", files / "errors")
        prepare = SOURCE / "prepare_static.py"
        subprocess.run([sys.executable, prepare, ROOT / "static", files], check=True)

    def _filled_in(self, text: str) -> str:
        text = PLACE.sub(lambda place: self._settings[place[1]], text)
        if _version_of(self._program) < HTTP2_SINCE:
            text = text.replace("http2 on;\n", "").replace(" ssl ", " ssl http2 ")
        return text

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port)) == 0


def _nginx_path() -> str:
    # Debian's is on root's PATH only.
    found = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if found is None:
        message = "There is no nginx here; scripts/setup tests installs it."
        raise ServerFailed(message)
    return found


def _version_of(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
    found = re.search(r"nginx/([\d.]+)", said.stderr)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
