"""The JSON schema of batch output: ``python -m cvmdbg.commands.schema > docs/batch.schema.json``."""

from __future__ import annotations

import json

from cvmdbg.commands.table import Json

HEX = "^0x[0-9a-f]+$"


def schema() -> dict[str, Json]:
    """One object for each command: ``ok`` decides between result and error."""
    console: Json = {
        "type": "array",
        "description": "What the guest, the monitor and the debugger printed while the command ran.",
        "items": {
            "type": "object",
            "properties": {
                "source": {"enum": ["guest", "monitor", "debugger", "prompt"]},
                "compartment": {"type": "string"},
                "tick": {"type": ["integer", "null"]},
                "line": {"type": "string"},
            },
            "required": ["source", "compartment", "tick", "line"],
            "additionalProperties": False,
        },
    }
    error: Json = {
        "type": "object",
        "properties": {"kind": {"enum": ["user", "target"]}, "message": {"type": "string"}},
        "required": ["kind", "message"],
        "additionalProperties": False,
    }
    good: Json = {
        "properties": {"ok": {"const": True}},
        "required": ["result", "text"],
    }
    bad: Json = {"properties": {"ok": {"const": False}}, "required": ["error"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cvmdbg batch output",
        "description": "One object a line, one line a command. Addresses, words and capabilities are hex strings.",
        "type": "object",
        "properties": {
            "command": {"type": "string", "description": "The line as it was given."},
            "ok": {"type": "boolean"},
            "result": {
                "description": "The command's value; its shape belongs to the command. null when it has none.",
                "anyOf": [{"$ref": "#/$defs/value"}, {"type": "null"}],
            },
            "text": {"type": "array", "items": {"type": "string"}, "description": "What batch prints as text."},
            "error": error,
            "console": console,
        },
        "required": ["command", "ok", "console"],
        "additionalProperties": False,
        "oneOf": [good, bad],
        "$defs": {
            "hex": {"type": "string", "pattern": HEX},
            "value": {"type": ["object", "array", "string", "integer", "boolean"]},
            "capability": {
                "type": "object",
                "properties": {
                    "tag": {"enum": [0, 1]},
                    "value": {"$ref": "#/$defs/hex"},
                    "base": {"$ref": "#/$defs/hex"},
                    "limit": {"$ref": "#/$defs/hex"},
                    "perms": {"$ref": "#/$defs/hex"},
                    "otype": {"type": "integer", "minimum": 0},
                    "bits": {"$ref": "#/$defs/hex"},
                },
                "required": ["tag", "value", "base", "limit", "perms", "otype", "bits"],
                "additionalProperties": False,
            },
        },
    }


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
