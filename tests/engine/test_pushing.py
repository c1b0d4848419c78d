"""Sending a model's folder to a hub on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from huggingface_hub import constants

from engine.commands.pushing import push
from engine.schema.errors import UserError
from tests.engine.hub_server import Hub, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "hf_" + "x" * 34


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the server speaks plain LFS
        yield served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlibrary_name: transformers\n---\n\n# student\n")
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights" * 1000)
    return folder


def test_every_file_arrives_in_a_private_repository(hub: Hub, folder: Path) -> None:
    address = push(folder, "me/student")
    assert address == f"{hub.address}/me/student"
    kept = hub.repos["me/student"]
    assert hub.private["me/student"]
    assert {name: raw for name, raw in kept.items() if name != ".gitattributes"} == {
        file.name: file.read_bytes() for file in folder.iterdir()
    }
    assert f"Bearer {TOKEN}" in hub.tokens


def test_what_is_there_is_not_overwritten(hub: Hub, folder: Path) -> None:
    hub.repos["me/student"] = {".gitattributes": b"", "config.json": b"mine"}
    hub.private["me/student"] = True
    with pytest.raises(UserError, match="holds 1 files already"):
        push(folder, "me/student")
    assert hub.repos["me/student"]["config.json"] == b"mine"


def test_public_only_when_asked(hub: Hub, folder: Path) -> None:
    push(folder, "me/open", private=False)
    assert not hub.private["me/open"]


@pytest.mark.parametrize("status", [401, 403])
def test_no_right_to_write_says_how_to_log_in(hub: Hub, folder: Path, status: int) -> None:
    hub.refuse = status
    with pytest.raises(UserError, match="hf auth login") as caught:
        push(folder, "me/student")
    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_network_is_one_clear_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as gone:
        monkeypatch.setenv("HF_ENDPOINT", gone.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(UserError, match="can't be reached") as caught:
        push(folder, "me/student")
    assert "\n" not in str(caught.value)


def test_a_bad_name_is_told(hub: Hub, folder: Path) -> None:
    with pytest.raises(UserError, match="no name for a repository"):
        push(folder, "me/two words/three")
    assert not hub.asked
