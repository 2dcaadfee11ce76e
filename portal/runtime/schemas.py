"""JSON Schemas of what a model gives."""

from typing import Any


def object_of(**properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has all of *properties*."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def list_of(item: dict[str, Any], **sizes: int) -> dict[str, Any]:
    """Return the schema of a list; *sizes* are such as ``maxItems``."""
    return {"type": "array", "items": item, **sizes}


STRING, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}
POINTS = list_of(list_of(NUMBER, maxItems=2))
FIELD = object_of(
    value={"type": ["string", "null"]},
    valid={"type": ["boolean", "null"]},
    title=STRING,
)
# Kind of output → its schema, for those whose values look the same for every model.
OUTPUT_SCHEMAS: dict[str, dict[str, Any]] = {
    "labels": list_of(object_of(label=STRING, score=NUMBER)),
    "boxes": list_of(
        object_of(
            label=STRING, score=NUMBER, box=list_of(NUMBER, minItems=4, maxItems=4)
        )
    ),
    "lines": list_of(object_of(text=STRING, score=NUMBER, polygon=POINTS)),
    "polygons": list_of(object_of(label=STRING, score=NUMBER, points=POINTS)),
    "mask": object_of(
        width=INTEGER,
        height=INTEGER,
        labels=list_of(STRING),
        png={"type": "string", "contentEncoding": "base64"},
    ),
    "text": STRING,
    "vector": list_of({"type": ["number", "null"]}),
    "table": object_of(columns=list_of(STRING), rows=list_of(list_of({}))),
    "fields": {"type": "object", "additionalProperties": FIELD},
    "file": object_of(
        name=STRING, type=STRING, data={"type": "string", "contentEncoding": "base64"}
    ),
}
