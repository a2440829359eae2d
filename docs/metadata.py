"""Write what archives and catalogues read of the project, from `CITATION.cff`: `make metadata`.

Title, version, licence, authors and the address of the repository stand there once. From there they
come into `codemeta.json`, `.zenodo.json`, `ro-crate-metadata.json`, a guide and the workflow.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
KEYWORDS = ["histopathology", "whole-slide images", "transfer learning", "Snakemake", "benchmark"]
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
Facts = dict[str, Any]


def facts(citation: str) -> Facts:
    """Return what a CITATION.cff says; `owner` and `name` are those of the repository."""
    said: Facts = yaml.safe_load(citation)
    said["owner"], said["name"] = said["repository-code"].rstrip("/").split("/")[-2:]
    return said


def _author(author: dict[str, str]) -> str:
    return author.get("name") or f"{author['family-names']}, {author['given-names']}"


def codemeta(of: Facts) -> Facts:
    """Return https://codemeta.github.io/terms/."""
    return {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": of["name"],
        "description": of["title"],
        "version": of["version"],
        "license": f"https://spdx.org/licenses/{of['license']}",
        "codeRepository": of["repository-code"],
        "programmingLanguage": ["Python", "Snakemake"],
        "runtimePlatform": "Snakemake 9",
        "operatingSystem": ["Linux", "macOS"],
        "keywords": KEYWORDS,
        "author": [{"@type": "Organization", "name": _author(a)} for a in of["authors"]],
    }


def zenodo(of: Facts) -> Facts:
    """Return what Zenodo reads when it archives a release on GitHub."""
    return {
        "title": of["title"],
        "upload_type": "software",
        "version": of["version"],
        "license": of["license"],
        "creators": [{"name": _author(author)} for author in of["authors"]],
        "keywords": KEYWORDS,
        "related_identifiers": [
            {"relation": "isDerivedFrom", "identifier": reference["doi"], "scheme": "doi"}
            for reference in of["references"]
        ],
    }


def crate(of: Facts) -> Facts:
    """Return the workflow's RO-Crate (https://w3id.org/workflowhub/workflow-ro-crate/1.0)."""
    profile = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
    language = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
    licence = f"https://spdx.org/licenses/{of['license']}"
    owner = of["repository-code"].rpartition("/")[0]
    people = [
        {
            "@id": f"#author-{number}",
            "@type": "Organization",
            "name": _author(author),
            "url": owner,
        }
        for number, author in enumerate(of["authors"], 1)
    ]
    references = [{"@id": person["@id"]} for person in people]
    authors = references[0] if len(references) == 1 else references
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [
            {
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "about": {"@id": "./"},
                "conformsTo": [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": profile}],
            },
            {
                "@id": "./",
                "@type": "Dataset",
                "name": of["name"],
                "description": of["title"],
                "datePublished": str(of["date-released"]),
                "license": {"@id": licence},
                "mainEntity": {"@id": "Snakefile"},
                "author": authors,
                "publisher": references[0],
                "hasPart": [
                    {"@id": name} for name in ("Snakefile", "README.md", "config/", "workflow/")
                ],
            },
            {
                "@id": "Snakefile",
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
                "name": of["name"],
                "version": of["version"],
                "license": {"@id": licence},
                "url": of["repository-code"],
                "keywords": ", ".join(KEYWORDS),
                "programmingLanguage": {"@id": language},
                "creator": authors,
                "encodingFormat": "text/x-python",
                "conformsTo": {"@id": BIOSCHEMAS},
            },
            {"@id": "README.md", "@type": "File", "encodingFormat": "text/markdown",
             "about": {"@id": "./"}, "name": "README"},
            {"@id": "config/", "@type": "Dataset", "name": "configs",
             "description": "The published study, the demo, and an explanation of every key"},
            {"@id": "workflow/", "@type": "Dataset", "name": "workflow",
             "description": "Rules, scripts and schemas"},
            {
                "@id": language,
                "@type": "ComputerLanguage",
                "name": "Snakemake",
                "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
                "url": {"@id": "https://snakemake.readthedocs.io"},
            },
            {"@id": licence, "@type": "CreativeWork", "name": of["license"],
             "description": "The licence of the project"},
            *people,
        ],
    }  # fmt: skip


def texts(of: Facts, root: Path = ROOT) -> dict[str, str]:
    """Return the contents of each file that repeats what CITATION.cff says, by its path."""
    found = {
        name: json.dumps(made(of), indent=2, ensure_ascii=False) + "\n"
        for name, made in {
            "codemeta.json": codemeta,
            ".zenodo.json": zenodo,
            "ro-crate-metadata.json": crate,
        }.items()
    }
    place = f"{of['owner']}/{of['name']}"
    guide = (root / "docs/running.md").read_text(encoding="utf-8")
    found["docs/running.md"] = re.sub(
        r'github\("[^"]*", path="Snakefile", tag="[^"]*"\)',
        f'github("{place}", path="Snakefile", tag="v{of["version"]}")',
        guide,
    )
    rules = (root / "workflow/rules/common.smk").read_text(encoding="utf-8")
    image = f"docker://ghcr.io/{place.lower()}:{of['version']}"
    found["workflow/rules/common.smk"] = re.sub(r'(?m)^IMAGE = ".*"$', f'IMAGE = "{image}"', rules)
    return found


if __name__ == "__main__":
    for name, text in texts(facts((ROOT / "CITATION.cff").read_text(encoding="utf-8"))).items():
        (ROOT / name).write_text(text, encoding="utf-8")
