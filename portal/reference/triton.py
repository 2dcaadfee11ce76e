"""A call to copy for Triton's client, which speaks to `/v2`."""

import json
import pprint
from typing import Any
from urllib.parse import urlsplit

from portal import catalog, runtime
from portal.inference import sample_of
from portal.reference.examples import FILE_NAMES, Example
from portal.runtime import Input, InputKind, Output, OutputKind

TEXT = """\
{imports}

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import np_to_triton_dtype

client = triton.InferenceServerClient({server})
values = {{
{values}
}}
inputs = [
    triton.InferInput(
        name, list(value.shape), np_to_triton_dtype(value.dtype)
    ).set_data_from_numpy(value)
    for name, value in values.items()
]
key = os.environ["MODEL_PORTAL_KEY"]
headers = {{"Authorization": f"Bearer {{key}}"}}
answer = client.infer({model}, inputs, headers=headers)
{prints}
"""
ARRAYS = {OutputKind.TENSOR, OutputKind.VECTOR}


def triton_example(base_url: str, version: catalog.ModelVersion) -> Example:
    """Return the call of *version* with its first example."""
    shown = catalog.examples_of(version)
    given = shown[0].inputs if shown else {}
    description = version.description
    outputs = [
        one
        for one in description.outputs
        if one.kind in ARRAYS or version.task != runtime.TENSOR
    ]
    imports = ["import os"]
    if any(one.kind not in ARRAYS for one in outputs):
        imports.insert(0, "import json")
    if any(one.is_upload for one in description.inputs):
        imports.append("from pathlib import Path")
    text = TEXT.format(
        imports="\n".join(imports),
        server=_server(base_url),
        values="\n".join(
            _value(one, given.get(one.name)) for one in description.inputs
        ),
        model=json.dumps(version.model.name),
        prints="\n".join(map(_print, outputs)),
    )
    return Example("Python (tritonclient)", "python", text)


def _server(base_url: str) -> str:
    """Return the client's arguments: it takes the address without its scheme."""
    address = urlsplit(base_url)
    server = json.dumps(f"{address.netloc}{address.path}")
    return f"{server}, ssl=True" if address.scheme == "https" else server


def _value(declared: Input, given: Any) -> str:  # noqa: ANN401 - by the input's kind
    """Return the line with the array of an input."""
    if declared.is_upload:
        file = given["name"] if given else FILE_NAMES[declared.kind]
        array = f"np.array([Path({json.dumps(file)}).read_bytes()], dtype=object)"
    else:
        value = sample_of(declared.schema) if given is None else given
        dtype = _dtype(declared)
        value = value if declared.kind is InputKind.TENSOR else [value]
        array = f"np.array({pprint.pformat(value, width=60, indent=1)}, dtype={dtype})"
    return f"    {json.dumps(declared.name)}: {array},"


def _dtype(declared: Input) -> str:
    if declared.kind is InputKind.NUMBER:
        return "float"
    spec = declared.tensor
    return "object" if spec is None or spec.dtype == "str" else json.dumps(spec.dtype)


def _print(output: Output) -> str:
    array = f"answer.as_numpy({json.dumps(output.name)})"
    return (
        f"print({array})" if output.kind in ARRAYS else f"print(json.loads({array}[0]))"
    )
