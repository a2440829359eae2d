"""Weights of the Hugging Face Hub, fetched from a server on the loopback that speaks as it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.fetch.http import RetryPolicy
from histotransfer.models.hub import fetch_network
from support.errors import assert_clear
from support.loopback_hub import REVISION, Hub, serving

pytest.importorskip(
    "huggingface_hub", reason="PyTorch is not installed; `make test-torch` installs it"
)

NAME = "owner/net"
FILES = {
    "config.json": b'{"architecture": "resnet18"}',
    "README.md": b"---\nlicense: mit\n---\n",
    "model.safetensors": bytes(range(256)) * 40,
    "code.py": b"raise SystemExit",
}
POLICY = RetryPolicy(retries=2, backoff_s=0.01)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    with serving(Hub(NAME, dict(FILES))) as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.address)  # what HF_ENDPOINT sets
        template = served.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield served


def test_config_card_and_weights_of_a_commit_are_fetched_once(hub: Hub) -> None:
    folder = fetch_network(NAME, REVISION, POLICY)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: content for name, content in FILES.items() if name != "code.py"
    }
    asked = list(hub.asked)
    assert fetch_network(NAME, REVISION, POLICY) == folder
    assert hub.asked == asked


def test_an_older_repository_has_a_pickle_of_tensors_and_no_card(hub: Hub) -> None:
    hub.files = {"config.json": b"{}", "pytorch_model.bin": b"x" * 999}
    folder = fetch_network(NAME, REVISION, POLICY)
    assert {path.name for path in folder.iterdir()} == {"config.json", "pytorch_model.bin"}


@pytest.mark.parametrize("faults", [[503], ["drop"], ["other"], [503, "drop", "other"]])
def test_what_fails_is_fetched_again(hub: Hub, faults: list[int | str]) -> None:
    hub.faults["model.safetensors"] = list(faults)
    folder = fetch_network(NAME, REVISION, POLICY)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_other_bytes_in_the_cache_are_replaced(hub: Hub) -> None:
    weights = fetch_network(NAME, REVISION, POLICY) / "model.safetensors"
    weights.resolve().write_bytes(b"other")
    fetch_network(NAME, REVISION, POLICY)
    assert weights.read_bytes() == FILES["model.safetensors"]


def test_other_bytes_twice_are_an_error_and_leave_nothing(hub: Hub) -> None:
    hub.faults["model.safetensors"] = ["other"] * 2
    with pytest.raises(HistotransferError) as caught:
        fetch_network(NAME, REVISION, POLICY)
    assert_clear(caught.value, NAME, "twice with other bytes")
    fetch_network(NAME, REVISION, POLICY)


def test_terms_must_be_accepted_and_the_token_is_of_the_environment(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"  # noqa: S105
    with pytest.raises(HistotransferError) as caught:
        fetch_network(NAME, REVISION, POLICY)
    assert_clear(caught.value, NAME, "accepted its terms", "HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch_network(NAME, REVISION, POLICY)


@pytest.mark.parametrize(
    ("repository", "revision", "cause"),
    [
        ("owner/other", REVISION, "is not on the hub"),
        (NAME, "f" * 40, "has no commit ffff"),
    ],
)
def test_what_is_not_there_is_named(hub: Hub, repository: str, revision: str, cause: str) -> None:
    with pytest.raises(HistotransferError) as caught:
        fetch_network(repository, revision, POLICY)
    assert_clear(caught.value, repository, cause, "https://huggingface.co/")


def test_a_repository_without_weights_of_timm_is_named(hub: Hub) -> None:
    del hub.files["model.safetensors"]
    with pytest.raises(HistotransferError) as caught:
        fetch_network(NAME, REVISION, POLICY)
    assert_clear(caught.value, "has neither model.safetensors nor pytorch_model.bin")


def test_without_a_network_the_remedy_says_how_to_bring_the_files(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    folder = fetch_network(NAME, REVISION, POLICY)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch_network(NAME, REVISION, POLICY) == folder
    with pytest.raises(HistotransferError) as caught:
        fetch_network(NAME, "f" * 40, POLICY)
    assert_clear(caught.value, NAME, "could not be fetched", f"hf download {NAME} --revision")
