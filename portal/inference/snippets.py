"""Ready-made calls of a version, for the pages that show how."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from portal import catalog
from portal.catalog import ModelVersion

PLACEHOLDER = "YOUR_KEY"


@dataclass(frozen=True)
class Command:
    """A command to paste into a terminal."""

    title: str
    command: str


def curl_commands(base_url: str, secret: str) -> list[Command]:
    """Return a working first call of every public model."""
    return [
        Command(model.live.title, curl_command(model.live, base_url, secret))
        for model in catalog.list_public()
    ]


def curl_command(
    version: ModelVersion, base_url: str, secret: str = PLACEHOLDER
) -> str:
    """Return the curl call of *version* on its first example.

    A model that takes a file is called on the example's, fetched first.
    """
    examples = catalog.examples_of(version)
    inputs: dict[str, Any] = examples[0].inputs if examples else {}
    address = f"{base_url}/api/v1/models/{version.model.name}/predict"
    key = shlex.quote(f"Authorization: Bearer {secret}")
    declared = version.description.inputs
    if any(one.is_upload for one in declared):
        fetches, fields = [], []
        for one in declared:
            value = inputs.get(one.name, sample_of(one.schema))
            if one.is_upload and isinstance(value, dict):
                source = f"{base_url}/models/{version.model.name}/examples/1/{one.name}"
                fetches.append(f"curl -o {shlex.quote(value['name'])} {source}")
                fields.append(f"-F {one.name}=@{shlex.quote(value['name'])}")
            elif one.is_upload:
                fields.append(f"-F {one.name}=@your-file")
            else:
                text = value if isinstance(value, str) else json.dumps(value)
                fields.append(f"-F {shlex.quote(f'{one.name}={text}')}")
        call = " \\\n  ".join((f"curl -H {key}", *fields, address))
        return "\n".join((*fetches, call))
    document = {
        "inputs": {
            one.name: inputs.get(one.name, sample_of(one.schema)) for one in declared
        }
    }
    return " \\\n  ".join(
        (
            f"curl -H {key}",
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(json.dumps(document))}",
            address,
        )
    )


def sample_of(schema: dict[str, Any]) -> object:
    """Return a small value that fits *schema*."""
    match schema.get("type"):
        case "array":
            amount = max(1, schema.get("minItems", 1))
            return [sample_of(schema.get("items", {}))] * amount
        case "integer":
            return 1
        case "number":
            return 0.5
        case "boolean":
            return True
        case _:
            return "text"
