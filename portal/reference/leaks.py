"""How a key is found where it should not be: a rule for gitleaks."""

GITLEAKS_RULE = """\
[[rules]]
id = "model-portal-key"
description = "A key of Model Portal; anybody who has it can call models with it."
regex = '''\\b(mp_[0-9A-Za-z]{38})\\b'''
entropy = 3.5
keywords = ["mp_"]
"""


def report_command(base_url: str) -> str:
    """Return the command that reports a key."""
    return (
        f"curl {base_url}/api/v1/leaks \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        '  -d \'{"key": "mp_…"}\'\n'
    )
