"""What archives and catalogues read is what CITATION.cff says."""

from __future__ import annotations

import json
import re

import metadata
import yaml

from support.root import ROOT

FACTS = metadata.facts((ROOT / "CITATION.cff").read_text())


def test_what_repeats_the_citation_repeats_it_rightly() -> None:
    for name, text in metadata.texts(FACTS).items():
        assert (ROOT / name).read_text() == text, "make metadata"


def test_one_line_names_the_repository() -> None:
    ours = {**FACTS, "owner": "pathology-lab", "version": "1.2.3"}
    texts = metadata.texts(ours)
    assert (
        'github("pathology-lab/histotransfer", path="Snakefile", tag="v1.2.3")'
        in texts["docs/running.md"]
    )
    image = 'IMAGE = "docker://ghcr.io/pathology-lab/histotransfer:1.2.3"'
    assert image in texts["workflow/rules/common.smk"]


def test_the_changelog_speaks_of_the_version() -> None:
    assert re.search(
        rf"^## {re.escape(FACTS['version'])}\b", (ROOT / "CHANGELOG.md").read_text(), re.M
    )


def test_the_crate_names_files_that_exist_and_refers_to_what_it_holds() -> None:
    graph = json.loads((ROOT / "ro-crate-metadata.json").read_text())["@graph"]
    known = {entity["@id"] for entity in graph}
    assert len(known) == len(graph)
    for entity in graph:
        if entity["@type"] == "File" or "File" in entity["@type"]:
            assert (ROOT / entity["@id"]).is_file()
        for value in entity.values():
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict) and not part["@id"].startswith("https://"):
                    assert part["@id"] in known, part


def test_a_release_is_made_of_a_tag_by_a_workflow_that_is_yaml() -> None:
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads `on` as true
    runs = [step.get("run", "") for step in release["jobs"]["release"]["steps"]]
    assert any("containers/Dockerfile" in run for run in runs)
