"""A WSGI application for gunicorn: says how much of a body came, or why not."""

from portal import gunicorn_worker
from portal.web.body import REFUSAL, BodyReader

gunicorn_worker.HEAD_DEADLINE_S = 1


def echo(environ, start_response):
    refusal = environ.get(REFUSAL)
    body = environ["wsgi.input"].read()
    status = f"{int(refusal.status)} Refused" if refusal else "200 OK"
    text = (str(refusal) if refusal else f"{len(body)} bytes").encode()
    start_response(status, [("Content-Length", str(len(text)))])
    return [text]


app = BodyReader(echo, 1_000_000, deadline_s=1)
