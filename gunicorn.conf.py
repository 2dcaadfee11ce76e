"""How gunicorn runs the portal."""

import sys

from portal.config import Config, SettingInvalid

try:
    _config = Config.load()
except SettingInvalid as invalid:
    # gunicorn would print a stack trace; the owner needs one sentence.
    sys.exit(f"model-portal: {invalid}")

bind = (
    f"[{_config.host}]:{_config.port}"
    if ":" in _config.host
    else (f"{_config.host}:{_config.port}")
)
workers = _config.workers
threads = _config.threads
worker_class = "portal.gunicorn_worker.Worker"
# Not preloaded: onnxruntime starts a thread when it is imported, and a worker that
# was forked after that hangs or aborts when it ends.
preload_app = False
# Tells which worker is stuck; a run of a model is bounded well below.
timeout = 60
graceful_timeout = 25
keepalive = 15
max_requests = 20_000
max_requests_jitter = 2_000
# The portal writes its own line per request, with the request's id.
accesslog = None
errorlog = "-"
loglevel = "warning"
# Several portals of one user would share the control socket.
control_socket_disable = True
