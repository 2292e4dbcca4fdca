"""A JSON Schema validator as small as the schemas of docs/cli.md need; an unknown keyword is an error."""

import re

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
KEYWORDS = {"type", "required", "additionalProperties", "properties", "items", "enum", "pattern", "description"}


def is_type(value, name):
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def check(value, schema, where="$"):
    """Raise AssertionError where ``value`` does not hold to ``schema``."""
    assert not schema.keys() - KEYWORDS, f"{where}: keywords {schema.keys() - KEYWORDS}"
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(is_type(value, name) for name in names), f"{where}: {value!r} is not {names}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    if "pattern" in schema and isinstance(value, str):
        assert re.search(schema["pattern"], value), f"{where}: {value!r}"
    if isinstance(value, dict):
        missing = [name for name in schema.get("required", ()) if name not in value]
        assert not missing, f"{where}: {missing} missing"
        known = schema.get("properties", {})
        for name, entry in value.items():
            if name in known:
                check(entry, known[name], f"{where}.{name}")
            else:
                assert schema.get("additionalProperties", True), f"{where}: {name} is not documented"
    if isinstance(value, list) and "items" in schema:
        for number, entry in enumerate(value):
            check(entry, schema["items"], f"{where}[{number}]")
