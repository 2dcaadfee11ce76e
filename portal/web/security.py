"""The headers that every answer carries, and the hosts the portal answers to."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from portal.config import Config
from portal.errors import Malformed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Flask-WTF checks the Referer over TLS, so it must reach our own site.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=()",
}
HSTS = "max-age=31536000; includeSubDomains"
ANY_HOST = ("/healthz", "/readyz")
OTHER_HOST = "portal.other_host"


def init_app(app: Flask, config: Config) -> None:
    """Trust the configured proxies and hosts only; add the headers."""
    if config.trusted_proxies:
        count = config.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=0, x_port=0, x_prefix=0
        )

    app.wsgi_app = _HostFilter(app.wsgi_app, config.allowed_hosts)  # type: ignore[method-assign]

    @app.before_request
    def refuse_other_hosts() -> None:
        if request.environ.get(OTHER_HOST) and request.path not in ANY_HOST:
            raise Malformed("This portal does not answer to that host name.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        present = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - pairs
        for name, value in HEADERS.items():
            if name.lower() not in present:
                response.headers.add(name, value)
        if config.is_https:
            response.headers["Strict-Transport-Security"] = HSTS
        if "Cache-Control" not in response.headers:
            # Pages depend on who is logged in; none may be kept by a cache.
            response.headers["Cache-Control"] = "no-store"
        return response


class _HostFilter:
    """WSGI middleware that lets no host name but ours reach the application.

    Flask makes no addresses for a host name that DNS doesn't know as one (``a..b``),
    and the page of the refusal needs some.
    """

    def __init__(self, app: "WSGIApplication", allowed: tuple[str, ...]) -> None:
        self.app = app
        self.allowed = allowed

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Put our own name in place of another, and note that there was one."""
        environ[OTHER_HOST] = not is_allowed(environ.get("HTTP_HOST", ""), self.allowed)
        if environ[OTHER_HOST]:
            environ["HTTP_HOST"] = self.allowed[0]
        return self.app(environ, start_response)


def is_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Whether the Host header *host* names one of *allowed*, whatever its port.

    Werkzeug checks its letters; its own comparison knows neither capitals nor
    IPv6 addresses.
    """
    return host_is_trusted(host) and _name_of(host) in map(_name_of, allowed)


def _name_of(host: str) -> str:
    """Return *host* without its port, as browsers write it."""
    name = host.lower()
    if name.startswith("["):
        return name.partition("]")[0]
    name = name.partition(":")[0]
    return name if name.isascii() else name.encode("idna").decode()
