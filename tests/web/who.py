"""A WSGI application for gunicorn: says which process answered, after a while."""

import os
import time

PAUSE_S = 0.05


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(PAUSE_S)
    text = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
