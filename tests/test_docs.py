"""The documents name paths, links and tests that exist, and explain every key of the config."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from histotransfer.study.config import check_config, complete
from support.root import ROOT

CONFIG_README = (ROOT / "config/README.md").read_text()
SCHEMA_PATH = ROOT / "workflow/schemas/config.schema.yaml"
SCHEMA = yaml.safe_load(SCHEMA_PATH.read_text())
DEFAULTS_PATH = ROOT / "workflow/defaults.yaml"
DEFAULTS = yaml.safe_load(DEFAULTS_PATH.read_text())
USERS = {"config/slides.tsv", "config/my_study.yaml"}
"""Files that a user writes."""
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "config/**/*.md", "docs/**/*.md", ".github/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # it also names what is gone
)


def each_document(test: Any) -> Any:
    return pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))(test)


@each_document
def test_paths_named_in_a_document_exist(path: Path) -> None:
    folders = r"(?:tests|docs|workflow|config|bench|envs|profiles)"
    named = set(re.findall(rf"(?<![\w/.-]){folders}/[\w./*-]*[\w/*]", path.read_text())) - USERS
    assert not [name for name in sorted(named) if not list(ROOT.glob(name.rstrip("/")))]


@each_document
def test_links_of_a_document_resolve(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", path.read_text())
    for target, anchor in links:
        linked = path.parent / target if target else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_python_that_is_promised_is_tested() -> None:
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    versions = ci["jobs"]["fast"]["strategy"]["matrix"]["python"]
    makefile = (ROOT / "Makefile").read_text()
    assert set(re.findall(r"\bpython(3\.\d+)\b", makefile.partition("VENV :=")[0])) == set(versions)
    promise = f"Python {', '.join(versions[:-1])} or {versions[-1]}"
    assert promise in (ROOT / "README.md").read_text()
    for path in (ROOT / "envs").glob("*.yaml"):
        limits = re.search(r"python >=3\.(\d+),<3\.(\d+)", path.read_text())
        assert limits
        assert [f"3.{minor}" for minor in range(int(limits[1]), int(limits[2]))] == versions, path


def test_the_map_of_the_rooms_names_each_room_and_modules_that_exist() -> None:
    library = ROOT / "workflow/scripts/histotransfer"
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert {room for room, _ in rows} == {path.parent.name for path in library.glob("*/*.py")}
    for room, contents in rows:
        for module in re.findall(r"`(\w+(?:\.py|/))`", contents):
            assert (library / room / module).exists(), f"{room}/{module}"


def test_the_tests_that_reliability_names_exist() -> None:
    text = (ROOT / "docs/reliability.md").read_text()
    for file, test in re.findall(r"`(?:tests/)?((?:\w+/)?test_\w+\.py)::(test_\w+)", text):
        path = ROOT / "tests" / (file if "/" in file else f"reliability/{file}")
        assert f"def {test}" in path.read_text(), f"{file}::{test}"


def keys(node: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield every dotted key that a JSON schema allows, `*` for names that are free."""
    if "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
    for combined in ("allOf", "anyOf", "oneOf"):
        for part in node.get(combined, []):
            yield from keys(part, prefix)
    for branch in {"then", "else"} & node.keys():
        yield from keys(node[branch], prefix)
    for name, part in node.get("properties", {}).items():
        yield f"{prefix}{name}"
        yield from keys(part, f"{prefix}{name}.")
    if isinstance(free := node.get("additionalProperties"), dict):
        yield from keys(free, f"{prefix}*.")


def test_every_key_of_the_config_is_explained_and_no_other() -> None:
    allowed = set(keys(SCHEMA))
    final = {key for key in allowed if not any(other.startswith(f"{key}.") for other in allowed)}
    rows = re.findall(r"^\| (`.*?) \| .*? \|", CONFIG_README.partition("## Keys")[2], re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
    assert not final - named
    assert not named - allowed


def test_the_defaults_are_explained_as_they_are() -> None:
    shown = CONFIG_README.partition("## Keys")[2]
    for names, values in re.findall(r"^\| (`.*?) \| (.*?) \|", shown, re.MULTILINE):
        defaults = []
        for name in re.findall(r"`([^`]+)`", names):
            value: Any = DEFAULTS
            for part in name.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            defaults += [] if value is None or isinstance(value, dict) else [value]
        said = [yaml.safe_load(value) for value in re.findall(r"`([^`]+)`", values)]
        assert said in (defaults, defaults[:1]), names
        assert len(said) == len(defaults) or len(set(map(str, defaults))) == 1, names


def test_the_config_that_is_shown_is_right() -> None:
    shown = re.search(r"```yaml\n(.*?)```", CONFIG_README, re.DOTALL)
    assert shown
    check_config(complete(yaml.safe_load(shown[1]), DEFAULTS_PATH), SCHEMA_PATH)
