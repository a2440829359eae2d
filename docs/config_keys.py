"""Write the tables of keys in config/README.md, from the schema and the defaults: `make keys`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "config/README.md"
TABLE = re.compile(r"(?<=<!-- keys: )([\w ]+)( -->\n\n).*?(?=\n\n|\Z)", re.DOTALL)
HEAD = "| key | default | meaning |\n|---|---|---|"


def described(
    schema: Mapping[str, Any], node: Mapping[str, Any], above: str = ""
) -> Iterator[tuple[str, str | None]]:
    """Yield each dotted key that a JSON schema allows, as often as it does, and what it says of it.

    Free names are `*`. Keys without a description yield None.
    """
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        yield from described(schema, schema["$defs"][name], above)
    for name, part in node.get("properties", {}).items():
        referred = schema["$defs"].get(part.get("$ref", "").rpartition("/")[2], {})
        yield f"{above}{name}", part.get("description", referred.get("description"))
        yield from described(schema, part, f"{above}{name}.")
    if isinstance(free := node.get("additionalProperties"), Mapping):
        yield from described(schema, free, f"{above}*.")
    for combined in ("allOf", "anyOf", "oneOf"):
        for part in node.get(combined, []):
            yield from described(schema, part, above)
    for branch in [name for name in ("then", "else") if name in node]:
        yield from described(schema, node[branch], above)


def table(schema: Mapping[str, Any], defaults: Mapping[str, Any], sections: list[str]) -> str:
    """Return the Markdown table of the keys in some sections, or of these keys themselves.

    Raises
    ------
    LookupError
        A key without keys of its own lacks a description.
    """
    meanings: dict[str, list[str]] = {}
    for key, meaning in described(schema, schema):
        if key.partition(".")[0] in sections:
            told = meanings.setdefault(key, [])
            if meaning and meaning not in told:
                told.append(meaning)
    rows = [HEAD]
    for key, told in meanings.items():
        if told:
            rows.append(f"| `{key}` | {_default(defaults, key)} | {'; '.join(told)} |")
        elif not any(other.startswith(f"{key}.") for other in meanings):
            raise LookupError(f"config.schema.yaml: {key} lacks a description")
    return "\n".join(rows)


def _default(defaults: Mapping[str, Any], key: str) -> str:
    value: Any = defaults
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None or isinstance(value, Mapping):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def written(readme: str) -> str:
    """Return the text of config/README.md with its tables regenerated."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text("utf-8"))
    defaults = yaml.safe_load((ROOT / "workflow/defaults.yaml").read_text("utf-8"))
    return TABLE.sub(
        lambda found: f"{found[1]}{found[2]}{table(schema, defaults, found[1].split())}", readme
    )


if __name__ == "__main__":
    README.write_text(written(README.read_text("utf-8")), "utf-8")
