"""As much of JSON Schema as docs/batch.schema.json uses."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def problems(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "$") -> list[str]:
    """Where a value is not what a schema says; an empty list when it is."""
    if "$ref" in schema:
        return problems(value, root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root, at)
    found = [f"{at}: {value!r} is not {schema['const']!r}"] if "const" in schema and value != schema["const"] else []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if "type" in schema and not _typed(value, schema["type"]):
        return [*found, f"{at}: {value!r} is no {schema['type']}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{at}: {value!r} does not match")
    for name in ("anyOf", "oneOf"):
        if name in schema and not any(not problems(value, option, root, at) for option in schema[name]):
            found.append(f"{at}: {name} does not hold")
    if isinstance(value, dict):
        found += _object(value, schema, root, at)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += problems(item, schema["items"], root, f"{at}[{index}]")
    return found


def _typed(value: Any, names: str | list[str]) -> bool:
    wanted = [names] if isinstance(names, str) else names
    kinds = tuple(kind for name in wanted for kind in _TYPES[name])
    return isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)


def _object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    known = schema.get("properties", {})
    found = [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
    if schema.get("additionalProperties") is False:
        found += [f"{at}: {name} is unknown" for name in value if name not in known]
    for name, part in known.items():
        if name in value:
            found += problems(value[name], part, root, f"{at}.{name}")
    return found
