"""The metered path: every prediction, whichever way it came in."""

from portal.inference.caller import Caller, allowances_left
from portal.inference.housekeeping import finish
from portal.inference.metering import Call, admit_to, admitted, metered
from portal.inference.preloading import preload
from portal.inference.service import infer
from portal.inference.serving import refuse_if_busy, serving_version
from portal.inference.snippets import Command, curl_command, curl_commands, sample_of

__all__ = [
    "Call",
    "Caller",
    "Command",
    "admit_to",
    "admitted",
    "allowances_left",
    "curl_command",
    "curl_commands",
    "finish",
    "infer",
    "metered",
    "preload",
    "refuse_if_busy",
    "sample_of",
    "serving_version",
]
