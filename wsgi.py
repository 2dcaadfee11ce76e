"""The application for gunicorn and for the `flask` command."""

import sys

from portal.app import create_app
from portal.config import Config, SettingInvalid
from portal.web import request_log

request_log.configure(as_json=not sys.stderr.isatty())
try:
    app = create_app(Config.load())
except SettingInvalid as invalid:
    # gunicorn and flask would print a stack trace; the owner needs one sentence.
    sys.exit(f"model-portal: {invalid}")
