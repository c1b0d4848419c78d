"""Files that are damaged or meant ill, and imports that are cut short."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from engine.commands import importing
from engine.commands.bundling import LISTING
from engine.commands.importing import take_in
from engine.schema.errors import UserError
from engine.store.layout import RunsFolder, hash_file
from engine.store.writing import write_json
from tests.engine.bundles.helpers import Members, contents, members, repacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def refused(runs: RunsFolder, file: Path, match: str) -> None:
    """It is refused with one clear line, and nothing has changed."""
    before = contents(runs)
    with pytest.raises(UserError, match=match) as caught:
        take_in(runs, file)
    assert "\n" not in str(caught.value)
    assert contents(runs) == before
    assert not (runs.root / ".import").exists()


def test_a_cut_off_file_is_refused(packed: Path, elsewhere: RunsFolder, tmp_path: Path) -> None:
    raw = packed.read_bytes()
    for size in (0, 100, len(raw) // 2, len(raw) - 2_000):
        file = tmp_path / "cut.tar.gz"
        file.write_bytes(raw[:size])
        refused(elsewhere, file, "damaged|no bundle")


def test_a_flipped_byte_is_found(packed: Path, elsewhere: RunsFolder, tmp_path: Path) -> None:
    """In a file that the archive's own checksums don't cover: the content was changed."""
    content = members(packed)
    name = next(n for n in content if n.endswith("pairs.jsonl"))
    content[name] = content[name].replace(b"east", b"west", 1)
    refused(elsewhere, repacked(tmp_path / "f.tar.gz", content), "pairs.jsonl is not what")


def test_a_list_that_agrees_with_a_changed_file_does_not_help(
    packed: Path, elsewhere: RunsFolder, tmp_path: Path
) -> None:
    content = members(packed)
    name = next(n for n in content if n.endswith("score.json"))
    content[name] = content[name].replace(b"0.9", b"1.9", 1) + b" "
    relist(content, name)
    refused(elsewhere, repacked(tmp_path / "f.tar.gz", content), "not what its manifest says")


def relist(content: Members, name: str) -> None:
    import hashlib

    listing = json.loads(content[LISTING])
    raw = content[name]
    listing["files"][name] = {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    content[LISTING] = json.dumps(listing).encode()


def test_settings_that_do_not_match_the_fingerprint_are_refused(
    packed: Path, elsewhere: RunsFolder, tmp_path: Path
) -> None:
    content = members(packed)
    name = next(n for n in content if n.startswith("phases/refine") and n.endswith("phase.json"))
    spec = json.loads(content[name])
    spec["settings"]["beta"] = 0.5
    content[name] = json.dumps(spec).encode()
    relist(content, name)
    refused(elsewhere, repacked(tmp_path / "f.tar.gz", content), "its settings belong to refine-")


def strange(name: str, **fields: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(member, key, value)
    return member


PHASE = "phases/refine-0123456789abcdef"


@pytest.mark.parametrize(
    "member",
    [
        strange("../outside"),
        strange("/etc/outside"),
        strange(f"{PHASE}/out/../../../outside"),
        strange(f"{PHASE}/out/.."),
        strange(f"{PHASE}/out//x"),
        strange("registry.json"),
        strange("queue.json"),
        strange("conductor/run.json"),
        strange(f"{PHASE}/attempt-001/process.json"),
        strange("/".join((PHASE, "work", "replies.jsonl"))),
        strange(f"{PHASE}/out/x", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        strange(f"{PHASE}/out/x", type=tarfile.LNKTYPE, linkname=LISTING),
        strange(f"{PHASE}/out/x", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        strange(f"{PHASE}/out/x", type=tarfile.FIFOTYPE),
        strange(f"{PHASE}/out", type=tarfile.DIRTYPE),
        strange(f"{PHASE}/out/unlisted"),
        strange(LISTING),
    ],
    ids=lambda member: f"{member.name} {member.type.decode()}",
)
def test_what_has_no_place_in_a_bundle_is_refused(
    packed: Path, elsewhere: RunsFolder, tmp_path: Path, member: tarfile.TarInfo
) -> None:
    file = repacked(tmp_path / "evil.tar.gz", members(packed), member)
    refused(elsewhere, file, "no place|no plain file|twice|not what the bundle's list says")
    assert not (tmp_path / "outside").exists()


def test_a_missing_file_or_list_is_told(
    packed: Path, elsewhere: RunsFolder, tmp_path: Path
) -> None:
    content = members(packed)
    del content[next(n for n in content if n.endswith("pairs.jsonl"))]
    refused(elsewhere, repacked(tmp_path / "a.tar.gz", content), "pairs.jsonl is missing")
    del content[LISTING]
    refused(elsewhere, repacked(tmp_path / "b.tar.gz", content), "so it is no bundle")
    (tmp_path / "c.tar.gz").write_text("not a tar")
    refused(elsewhere, tmp_path / "c.tar.gz", "no bundle, or a damaged one")
    refused(elsewhere, tmp_path / "d.tar.gz", "No such file")


def test_a_run_of_the_same_name_with_other_phases_is_not_replaced(
    packed: Path, elsewhere: RunsFolder, run_id: str
) -> None:
    take_in(elsewhere, packed)
    file = json.loads(elsewhere.run_file(run_id).read_text())
    file["spec"]["phases"] = file["spec"]["phases"][:3]
    write_json(elsewhere.run_file(run_id), file)
    refused(elsewhere, packed, "with other phases is here already")


def test_what_a_killed_import_left_is_cleared(packed: Path, elsewhere: RunsFolder) -> None:
    (elsewhere.root / ".import" / "phases").mkdir(parents=True)
    (elsewhere.root / ".import" / "half").write_text("half a file")
    assert len(take_in(elsewhere, packed).phases) == 10
    assert not (elsewhere.root / ".import").exists()


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Ctrl+C at the n-th phase that is put in its place."""
    place = importing.place

    def at(count: int) -> None:
        left = [count]

        def stop(*arguments: Any) -> bool:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return place(*arguments)

        monkeypatch.setattr(importing, "place", stop)

    yield at
    monkeypatch.setattr(importing, "place", place)


def test_an_interrupted_import_leaves_whole_phases_at_most(
    packed: Path, elsewhere: RunsFolder, run_id: str, interrupted: Callable[[int], None]
) -> None:
    interrupted(3)
    with pytest.raises(KeyboardInterrupt):
        take_in(elsewhere, packed)
    assert not (elsewhere.root / ".import").exists()
    assert elsewhere.run_ids() == []
    phases = list(elsewhere.phase_dirs())
    assert len(phases) == 3
    for phase in phases:
        for name, facts in phase.manifest()["files"].items():
            assert hash_file(phase.path / name) == facts["sha256"]
    interrupted(100)
    found = take_in(elsewhere, packed)
    assert found.runs == (run_id,)
    assert (len(found.phases), len(found.phases_kept)) == (7, 3)
