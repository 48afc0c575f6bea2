# SPDX-License-Identifier: GPL-2.0
"""Holds documents against scripts/results.schema.json.

unlike() knows as much of JSON Schema as that file uses, and no more, so that every
machine can check; by_jsonschema() asks Debian's python3-jsonschema, where it is.
"""

from __future__ import annotations

import importlib
import json
from typing import Any, Iterator

from kplib.configure.request import TOP

SCHEMA: dict[str, Any] = json.loads((TOP / "scripts/results.schema.json").read_text())
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,),
    "number": (int, float), "boolean": (bool,), "null": (type(None),)}
_SAYS = {"type", "properties", "required", "additionalProperties", "items", "enum", "const",
         "anyOf", "$ref", "minimum"}
#: The end of what is said of a field that the schema does not have.
UNKNOWN = " is not described"
_TELLS = {"$comment", "$schema", "title", "description", "$defs"}


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _object(value: dict[str, Any], rule: dict[str, Any], at: str) -> Iterator[str]:
    for name in rule.get("required", []):
        if name not in value:
            yield f"{at}: no {name}"
    for name, child in value.items():
        known = rule.get("properties", {}).get(name, rule.get("additionalProperties", True))
        if known is False:
            yield f"{at}: {name}{UNKNOWN}"
        elif known is not True:
            yield from unlike(child, known, f"{at}.{name}")


def unlike(value: Any, rule: dict[str, Any] | None = None, at: str = "$") -> Iterator[str]:
    """Each way in which a document is not as the schema says."""
    rule = SCHEMA if rule is None else rule
    assert set(rule) <= _SAYS | _TELLS, f"words of JSON Schema that are not known here: {rule}"
    if "$ref" in rule:
        yield from unlike(value, SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]], at)
    if "anyOf" in rule:
        tried = [list(unlike(value, choice, at)) for choice in rule["anyOf"]]
        if all(tried):
            yield from min(tried, key=len)
    kinds = rule.get("type", list(_TYPES))
    if not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        yield f"{at}: {value!r} is no {kinds}"
        return
    if "enum" in rule and value not in rule["enum"] or "const" in rule and value != rule["const"]:
        yield f"{at}: {value!r} is no such value"
    if _is(value, "number") and value < rule.get("minimum", value):
        yield f"{at}: {value!r} is too small"
    if isinstance(value, dict):
        yield from _object(value, rule, at)
    if isinstance(value, list) and "items" in rule:
        for number, child in enumerate(value):
            yield from unlike(child, rule["items"], f"{at}[{number}]")


def by_jsonschema(document: Any) -> list[str] | None:
    """Errors found by Debian's python3-jsonschema; None where that is not installed."""
    try:
        jsonschema: Any = importlib.import_module("jsonschema")
    except ImportError:
        return None
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return [f"{error.json_path}: {error.message}"
            for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(document)]
