"""JSON schemas of config and slide sheet, and errors that a user understands.

A schema may say in words what is wanted (`wanted`, a keyword of ours that the validator ignores):
an error then says this instead of the pattern, or the list of alternatives, that does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ..core.errors import HistotransferError

TYPES = {
    "object": "a section of keys",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
}
LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
RANKS = {
    "type": 0, "enum": 1, "const": 1, "additionalProperties": 2, "dependentRequired": 3,
    "required": 5,
}  # fmt: skip
"""Of several errors that have one cause, the lowest tells most: a key that is misspelt is also
missing under its right name, and what is required may depend on a choice that does not exist."""
MAX_SHOWN = 60


def load_schema(path: str | Path) -> Draft202012Validator:
    return Draft202012Validator(read_yaml(path))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a section of keys; libyaml, where PyYAML has it, is ten times as fast as Python."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    section: dict[str, Any] = yaml.load(Path(path).read_text(encoding="utf-8"), loader)  # noqa: S506
    return section


def check(value: object, schema: Draft202012Validator, subject: str, remedy: str) -> None:
    """Raise HistotransferError if a value does not fit; it names the key and says what is wanted.

    Parameters
    ----------
    value : object
        As read from YAML or from a row of a table.
    schema : Draft202012Validator
    subject : str
        The file or the row.
    remedy : str
    """
    if errors := list(schema.iter_errors(value)):
        error = _telling(errors)
        key = ".".join(map(str, error.absolute_path))
        raise HistotransferError(f"{subject}: {key}" if key else subject, _sentence(error), remedy)


def _telling(errors: Sequence[ValidationError]) -> ValidationError:
    """Choose the error that tells most, where a choice of forms failed, that of the form meant."""
    error = min(errors, key=lambda error: (RANKS.get(error.validator, 4), len(error.absolute_path)))
    if error.validator in ("oneOf", "anyOf"):
        forms: dict[object, list[ValidationError]] = {}
        for inner in error.context or []:
            forms.setdefault(inner.schema_path[0], []).append(inner)
        # A section with the keys of one form is of that form; of a text there is no telling.
        other = {"type", "enum", "const", "required"}
        meant = [
            inner
            for inner in forms.values()
            if isinstance(error.instance, Mapping)
            and not any(part.validator in other and not part.path for part in inner)
        ]
        if len(meant) == 1:
            return _telling(meant[0])
    return error


def _sentence(error: ValidationError) -> str:
    """Say what is wrong and what is wanted."""
    kind, bound, value = error.validator, error.validator_value, error.instance
    schema: Mapping[str, Any] = error.schema
    if kind == "required":
        lacking = [key for key in bound if key not in value]
        return f"lacks the key{'s' * (len(lacking) > 1)} {_codes(lacking)}"
    if kind == "dependentRequired":
        key = next(key for key in bound if key in value and set(bound[key]) - value.keys())
        return f"has `{key}`, which needs {_codes(bound[key])} beside it"
    if kind == "additionalProperties":
        known = list(schema.get("properties", {}))
        return _unknown(next(str(key) for key in value if key not in known), known, schema)
    if kind == "enum" and "propertyNames" in error.schema_path:
        return _unknown(str(value), bound, schema)
    if kind == "not":  # as the schemas use it: a key that does not go with another's value
        return f"has the key {_codes(bound['required'])}, which does not go with {_choice(value)}"
    if kind == "uniqueItems":
        twice = next(item for place, item in enumerate(value) if item in value[:place])
        return f"lists {_shown(twice)} twice"
    if kind == "maxLength":
        return f"has {_shown(value)}, which is too long: at most {bound} characters"
    wanted = schema.get("wanted")
    if wanted is None and kind in ("enum", "const"):
        wanted = f"one of {', '.join(map(str, bound))}" if kind == "enum" else str(bound)
    elif wanted is None and kind in LIMITS:
        wanted = f"{LIMITS[kind]} {bound}"
    elif wanted is None and kind == "type":
        kinds = [bound] if isinstance(bound, str) else bound
        wanted = " or ".join(TYPES[one] for one in kinds)
        if isinstance(value, bool | int | float) and "string" in kinds:
            wanted += ", so write it in quotes (YAML takes NO, on or 1e5 for something else)"
    elif wanted is None and kind in ("minItems", "minLength", "minProperties"):
        return "is empty"
    wanted = wanted or schema.get("description", "something else")
    if "propertyNames" in error.schema_path:
        return f"has the name {_shown(value)}, but names must be {wanted}"
    return f"is {_shown(value)}, but must be {wanted}"


def _unknown(key: str, known: Sequence[str], schema: Mapping[str, object]) -> str:
    """Name a key that does not exist, and what may be meant."""
    if alike := get_close_matches(key, known, 1):
        hint = f"perhaps `{alike[0]}` is meant"
    else:
        hint = (
            f"expected is {schema['wanted']}" if "wanted" in schema else f"known: {_codes(known)}"
        )
    return f"has an unknown key `{key}` ({hint})"


def _choice(value: Mapping[str, object]) -> str:
    return f"the predictor `{value['predictor']}`" if "predictor" in value else "the others"


def _codes(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shown(value: object) -> str:
    """Show a value as it stands in YAML, without the contents of a section."""
    if value is None or value in ("", [], {}):
        return "empty"
    if isinstance(value, Mapping):
        return f"a section with {_codes(list(map(str, value))[:5])}"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
