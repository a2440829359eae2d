"""The documents name paths, links and tests that exist, and explain every key of the config."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import config_keys
import pytest
import site_pages as site
import yaml

from histotransfer.results.tables import SCHEMAS
from histotransfer.study.config import check_config, complete
from support.root import ROOT

CONFIG_README = (ROOT / "config/README.md").read_text()
SCHEMA_PATH = ROOT / "workflow/schemas/config.schema.yaml"
DEFAULTS_PATH = ROOT / "workflow/defaults.yaml"
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


@each_document
def test_each_study_that_a_document_shows_is_a_whole_config(path: Path) -> None:
    for shown in re.findall(r"```yaml\n(study: .*?)```", path.read_text(), re.DOTALL):
        check_config(complete(yaml.safe_load(shown), DEFAULTS_PATH), SCHEMA_PATH)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leaves(nav: Any) -> list[str]:
    """List the pages of a navigation."""
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [page for entry in inner for page in leaves(entry)]


def test_the_site_shows_each_document_once(tmp_path: Path) -> None:
    nav = leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    site.lay_out(tmp_path)
    pages = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md"))
    assert sorted(nav) == pages


def test_the_site_leads_to_the_repository_for_what_is_no_document(tmp_path: Path) -> None:
    site.lay_out(tmp_path)
    exists = set(tmp_path.rglob("*"))
    for path in tmp_path.rglob("*.md"):
        for target in site.LINK.findall(path.read_text()):
            assert (path.parent / target[1]).resolve() in exists, (path, target[1])


def test_the_page_of_columns_has_those_of_the_code() -> None:
    page = site.columns()
    for name, schema in SCHEMAS.items():
        _, _, section = page.partition(f"### {name}\n")
        shown = re.findall(r"^\| `(\w+)` \|", section.partition("\n### ")[0], re.M)
        assert shown == list(schema.columns), name


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


def test_the_tables_of_keys_are_those_of_the_schema() -> None:
    assert config_keys.written(CONFIG_README) == CONFIG_README, "make keys"
    shown = [
        key for sections, _ in config_keys.TABLE.findall(CONFIG_README) for key in sections.split()
    ]
    assert sorted(shown) == sorted(yaml.safe_load(SCHEMA_PATH.read_text())["properties"])


def test_a_key_that_nobody_explains_is_noticed() -> None:
    schema = {"properties": {"seed": {"type": "integer"}}, "$defs": {}}
    with pytest.raises(LookupError, match="seed lacks a description"):
        config_keys.table(schema, {}, ["seed"])
