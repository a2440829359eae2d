"""JSON schemas of config and slide sheet, and errors that name the key that does not fit."""

from __future__ import annotations

from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from ..core.errors import HistotransferError


def load_schema(path: str | Path) -> Draft202012Validator:
    return Draft202012Validator(yaml.safe_load(Path(path).read_text(encoding="utf-8")))


def check(value: object, schema: Draft202012Validator, subject: str, remedy: str) -> None:
    error = best_match(schema.iter_errors(value))
    if error is not None:
        key = ".".join(str(part) for part in error.absolute_path)
        raise HistotransferError(f"{subject}: {key}" if key else subject, error.message, remedy)
