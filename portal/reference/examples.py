"""Calls to copy: curl, Python and JavaScript, written for this portal."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from portal import catalog
from portal.inference import sample_of
from portal.runtime import TEXT_EMBEDDING, InputKind

KEY = "$MODEL_PORTAL_KEY"
CURL = f'curl {{url}} \\\n  -H "Authorization: Bearer {KEY}" \\\n  '
FILE_NAMES = {InputKind.IMAGE: "picture.png", InputKind.FILE: "document.pdf"}
PYTHON_UPLOAD = """\
import os

import requests

key = os.environ["MODEL_PORTAL_KEY"]
with open({file}, "rb") as file:
    response = requests.post(
        {url},
        headers={{"Authorization": f"Bearer {{key}}"}},
        files={{{input}: file}},
        timeout=120,
    )
response.raise_for_status()
print(response.json()["outputs"])
"""
PYTHON_JSON = """\
import os

import requests

key = os.environ["MODEL_PORTAL_KEY"]
response = requests.post(
    {url},
    headers={{"Authorization": f"Bearer {{key}}"}},
    json={{"inputs": {{{inputs}}}}},
    timeout=120,
)
response.raise_for_status()
print(response.json()["outputs"])
"""
JAVASCRIPT_UPLOAD = """\
import {{ openAsBlob }} from "node:fs";

const body = new FormData();
body.append({input}, await openAsBlob({file}));
const response = await fetch({url}, {{
  method: "POST",
  headers: {{ Authorization: `Bearer ${{process.env.MODEL_PORTAL_KEY}}` }},
  body,
}});
const answer = await response.json();
if (!response.ok) throw new Error(answer.detail);
console.log(answer.outputs);
"""
JAVASCRIPT_JSON = """\
const response = await fetch({url}, {{
  method: "POST",
  headers: {{
    Authorization: `Bearer ${{process.env.MODEL_PORTAL_KEY}}`,
    "Content-Type": "application/json",
  }},
  body: JSON.stringify({{ inputs: {inputs} }}),
}});
const answer = await response.json();
if (!response.ok) throw new Error(answer.detail);
console.log(answer.outputs);
"""
PYTHON_OPENAI = """\
import os

from openai import OpenAI

client = OpenAI(
    base_url={url},
    api_key=os.environ["MODEL_PORTAL_KEY"],
)
answer = client.embeddings.create(model={model}, input={texts})
for one in answer.data:
    print(one.index, len(one.embedding), one.embedding[:3])
"""
OCR_ANSWER = """\
{
  "id": "req_5f0c31b7a94e2d6810c3f7aa",
  "model": "ocr",
  "version": 1,
  "outputs": {
    "lines": [
      {
        "text": "TOTAL 12.40",
        "score": 0.998,
        "polygon": [[30.1, 120.4], [212.0, 120.4], [212.0, 148.2], [30.1, 148.2]]
      }
    ]
  },
  "timings_ms": {
    "queue": 0.1,
    "preprocess": 3.2,
    "inference": 610.0,
    "postprocess": 0.9,
    "total": 614.4
  }
}
"""
PROBLEM = """\
{
  "type": "/docs/errors#invalid",
  "title": "The input is not valid",
  "status": 422,
  "detail": "image is not a picture; send PNG, JPEG or WebP.",
  "instance": "urn:request:req_5f0c31b7a94e2d6810c3f7aa",
  "errors": [
    {
      "pointer": "/inputs/image",
      "detail": "image is not a picture; send PNG, JPEG or WebP."
    }
  ]
}
"""


@dataclass(frozen=True)
class Example:
    """A call to copy."""

    title: str
    language: str
    text: str


def predict_url(base_url: str, model: str) -> str:
    """Return the address that predicts with *model*."""
    return f"{base_url}/api/v1/models/{model}/predict"


def for_version(base_url: str, version: catalog.ModelVersion) -> list[Example]:
    """Return every way to call *version*, with its first example."""
    model = version.model.name
    shown = catalog.examples_of(version)
    values = shown[0].inputs if shown else {}
    inputs = version.description.inputs
    if len(inputs) > 1 or not inputs[0].is_upload:
        return for_json(
            base_url,
            model,
            {i.name: values.get(i.name, sample_of(i.schema)) for i in inputs},
        )
    (upload,) = inputs
    if upload.name in values:
        file = values[upload.name]["name"]
        return [
            to_fetch(base_url, model, upload.name, file),
            *for_upload(base_url, model, upload.name, file),
        ]
    return for_upload(base_url, model, upload.name, FILE_NAMES[upload.kind])


def for_openai(base_url: str, version: catalog.ModelVersion) -> list[Example]:
    """Return the calls of *version* by OpenAI's protocol; none if it embeds no text."""
    if version.task != TEXT_EMBEDDING:
        return []
    shown = catalog.examples_of(version)
    texts = [str(one.inputs["text"]) for one in shown] or ["text"]
    body = json.dumps({"model": version.model.name, "input": texts})
    return [
        Example(
            "Python (openai)",
            "python",
            PYTHON_OPENAI.format(
                url=json.dumps(f"{base_url}/v1"),
                model=json.dumps(version.model.name),
                texts=repr(texts),
            ),
        ),
        Example(
            "curl, OpenAI's protocol",
            "shell",
            f"{CURL.format(url=f'{base_url}/v1/embeddings')}"
            f'-H "Content-Type: application/json" \\\n  -d {shlex.quote(body)}',
        ),
    ]


def to_fetch(base_url: str, model: str, name: str, file: str) -> Example:
    """Return the call that saves the first example's input *name* as *file*."""
    source = f"{base_url}/models/{model}/examples/1/{name}"
    return Example("A file to try", "shell", f"curl -o {shlex.quote(file)} {source}")


def for_upload(base_url: str, model: str, name: str, file: str) -> list[Example]:
    """Return the calls that send one *file* as the input *name*."""
    url = predict_url(base_url, model)
    curl = CURL.format(url=url)
    shell_file = shlex.quote(file)
    quoted = {
        "url": json.dumps(url),
        "input": json.dumps(name),
        "file": json.dumps(file),
    }
    as_json = json.dumps({"inputs": {name: "%s"}})
    return [
        Example("curl, multipart", "shell", f"{curl}-F {name}=@{shell_file}"),
        Example(
            "curl, the bare bytes",
            "shell",
            f'{curl}-H "Content-Type: application/octet-stream" \\\n'
            f"  --data-binary @{shell_file}",
        ),
        Example(
            "curl, JSON with base64",
            "shell",
            f"printf {shlex.quote(as_json)} "
            f"\"$(base64 < {shell_file} | tr -d '\\n')\" |\n"
            f'{curl}-H "Content-Type: application/json" \\\n  --data-binary @-',
        ),
        Example(
            "Python (requests)",
            "python",
            PYTHON_UPLOAD.format(**quoted),
        ),
        Example("JavaScript (fetch)", "javascript", JAVASCRIPT_UPLOAD.format(**quoted)),
    ]


def for_json(base_url: str, model: str, inputs: dict[str, Any]) -> list[Example]:
    """Return the calls that send *inputs* as JSON."""
    url = predict_url(base_url, model)
    body = json.dumps({"inputs": inputs})
    return [
        Example(
            "curl, JSON",
            "shell",
            f'{CURL.format(url=url)}-H "Content-Type: application/json" \\\n'
            f"  -d {shlex.quote(body)}",
        ),
        Example(
            "Python (requests)",
            "python",
            PYTHON_JSON.format(
                url=json.dumps(url),
                inputs=", ".join(f"{json.dumps(k)}: {v!r}" for k, v in inputs.items()),
            ),
        ),
        Example(
            "JavaScript (fetch)",
            "javascript",
            JAVASCRIPT_JSON.format(url=json.dumps(url), inputs=json.dumps(inputs)),
        ),
    ]
