"""How gunicorn runs the portal."""

import sys

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from portal.config import Config, SettingInvalid
from portal.runtime import return_freed_memory

try:
    _config = Config.load()
except SettingInvalid as invalid:
    # gunicorn would print a stack trace; the owner needs one sentence.
    sys.exit(f"model-portal: {invalid}")

return_freed_memory()

bind = (
    f"[{_config.host}]:{_config.port}"
    if ":" in _config.host
    else (f"{_config.host}:{_config.port}")
)
workers = _config.workers
threads = _config.threads
worker_class = "portal.gunicorn_worker.Worker"
# Workers are forked from a process that has imported everything, so a worker that
# died is back within a tenth of a second, and shares the memory of what is loaded.
preload_app = True
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


def pre_fork(server: Arbiter, worker: Worker) -> None:
    """Load the models that are called most, so that all workers share them."""
    # Not before gunicorn has loaded the application, which imports all of it.
    from portal.inference import preload  # noqa: PLC0415

    del worker
    with server.app.callable.app_context():
        preload()


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """Count to the end, and hold nothing, before a worker is gone."""
    from portal.inference import finish  # noqa: PLC0415 - as above

    del worker
    with server.app.callable.app_context():
        finish()
