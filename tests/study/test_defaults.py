"""The defaults are the published study's choices, and they complete a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from histotransfer.core.errors import HistotransferError
from histotransfer.study.config import check_config, complete
from support.root import ROOT

DEFAULTS = ROOT / "workflow/defaults.yaml"
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"

MINIMAL = """
study: mine
datasets: {patches: data/patches, others: data/others}
finetune: {dataset: patches}
extractors: {A: imagenet, B: finetuned}
tasks: {tissue: {kind: tissue, dataset: others}}
"""


def leaves(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Yield the values of nested mappings with their dotted keys."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else name)
    else:
        yield key, value


def load(path: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / path).read_text())


def test_the_defaults_are_the_choices_of_the_published_study() -> None:
    config, defaults = load("config/config.yaml"), load("workflow/defaults.yaml")
    for kind, of_kind in defaults.pop("task_defaults").items():
        if kind in config["tasks"]:  # the published tasks are called like their kinds
            assert of_kind == {key: config["tasks"][kind].get(key) for key in of_kind}
    published, defaults = dict(leaves(config)), dict(leaves(defaults))
    assert defaults == {key: published.get(key) for key in defaults}


def test_the_defaults_leave_open_only_what_names_the_data_and_the_question() -> None:
    """And the alternatives of the published study, since another may not have what they change."""
    published = load("config/config.yaml")
    own = set(published) - set(load("workflow/defaults.yaml"))
    assert own == {"study", "slides", "download", "extractors", "tasks", "robustness"}


def test_a_minimal_config_is_completed_to_one_that_fits_the_schema() -> None:
    own = yaml.safe_load(MINIMAL)
    config = complete(own, DEFAULTS)
    check_config(config, SCHEMA)
    found, defaults = dict(leaves(config)), load("workflow/defaults.yaml")
    of_tissue = {"tasks": {"tissue": defaults.pop("task_defaults")["tissue"]}}
    written_out = {
        "datasets.patches.path": "data/patches",
        "datasets.others.path": "data/others",
        "extractors.A.source": "imagenet",
        "extractors.B.source": "finetuned",
        "stain.reference": "patches",
    }
    own = {section: own[section] for section in ("study", "finetune", "tasks")}
    whole = dict(leaves(defaults)) | dict(leaves(own)) | dict(leaves(of_tissue))
    assert found == whole | written_out


@pytest.mark.parametrize("key", list(yaml.safe_load(MINIMAL)))
def test_a_minimal_config_has_no_key_too_many(key: str) -> None:
    own = yaml.safe_load(MINIMAL)
    del own[key]
    with pytest.raises(HistotransferError, match=key):
        check_config(complete(own, DEFAULTS), SCHEMA)
