"""Marks on pairs, and refining again without some: fingerprints, what is shared, two at once."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from engine.commands import curating
from engine.commands.deleting import deletable, delete, marked
from engine.commands.run_changes import reindex
from engine.planning.graph import expand
from engine.planning.presets import load_experiment
from engine.queries.item_files import sources
from engine.queries.items import Reader
from engine.queries.runs import list_runs, registry
from engine.queries.sibling_runs import relatives
from engine.scheduling import queue
from engine.scheduling.queue import DeviceRequest
from engine.schema.errors import UserError
from engine.schema.settings import RefineSettings
from engine.schema.specs import EvaluateSpec, RefineSpec
from engine.store import item_notes
from engine.store.item_notes import Mark
from engine.store.jsonlines import read_records
from engine.store.layout import PAIRS
from engine.store.run import read_run
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from engine.schema.run_spec import RunSpec

CPU = DeviceRequest(cpu=True)


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.scheduling.daemon.ensure_running", lambda runs: None)
    return copy_recorded(tmp_path / "runs")


@pytest.fixture
def run_id(runs):
    return run_of(runs, "both", "wren-3m")


@pytest.fixture
def phase_id(runs, run_id):
    return refine_of(read_run(runs, run_id).spec).pairs


def refine_of(spec: RunSpec) -> RefineSpec:
    return next(p for p in spec.phases if isinstance(p, RefineSpec))


def ids_of(runs, run_id):
    reader = Reader(sources(runs, run_id)[0])
    return reader.ids(range(reader.count))


def test_marks_are_kept_by_item_until_they_say_nothing(runs, phase_id):
    item_notes.mark(runs, phase_id, ["a", "b"], flagged=True)
    item_notes.mark(runs, phase_id, ["b"], excluded=True, note="a [red]lie[/red]")
    assert item_notes.read_marks(runs, phase_id) == {
        "a": Mark(flagged=True),
        "b": Mark(flagged=True, excluded=True, note="a [red]lie[/red]"),
    }
    item_notes.mark(runs, phase_id, ["a"], flagged=False)
    item_notes.mark(runs, phase_id, ["b"], flagged=False, excluded=False, note="")
    assert item_notes.read_marks(runs, phase_id) == {}


def test_marks_survive_a_reindex_and_fields_of_a_later_version(runs, phase_id):
    item_notes.mark(runs, phase_id, ["a"], excluded=True)
    file = runs.phase(phase_id).marks
    kept = json.loads(file.read_text())
    kept["a"]["colour"] = "blue"
    file.write_text(json.dumps(kept))
    shutil.rmtree(runs.registry, ignore_errors=True)
    reindex(runs)
    assert item_notes.read_marks(runs, phase_id) == {"a": Mark(excluded=True)}
    item_notes.mark(runs, phase_id, ["a", "b"], flagged=True)
    assert json.loads(file.read_text())["a"]["colour"] == "blue"


def test_many_who_mark_at_once_lose_nothing(runs, phase_id):
    def mark_some(who: int) -> None:
        for number in range(8):
            item_notes.mark(runs, phase_id, [f"{who}-{number}", "shared"], note=f"{who}")

    threads = [threading.Thread(target=mark_some, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(item_notes.read_marks(runs, phase_id)) == 4 * 8 + 1


@pytest.mark.parametrize("damage", ["{oops", "[]", '{"a": 3}'])
def test_damaged_marks_are_told_and_never_overwritten(runs, phase_id, damage):
    file = runs.phase(phase_id).marks
    file.write_text(damage)
    with pytest.raises(UserError, match=r"marks\.json"):
        item_notes.read_marks(runs, phase_id)
    with pytest.raises(UserError, match=r"marks\.json"):
        item_notes.mark(runs, phase_id, ["a"], flagged=True)
    assert file.read_text() == damage


def test_excluding_makes_another_refine_and_shares_what_comes_before(runs, run_id, phase_id):
    original = read_run(runs, run_id).spec
    first, second = ids_of(runs, run_id)[:2]
    item_notes.mark(runs, phase_id, [second, first, "not a pair"], excluded=True)
    found = curating.curated(runs, run_id)
    assert (found.left_out, found.pairs) == (2, 24)
    assert refine_of(found.spec).settings.exclude == tuple(sorted((first, second)))
    before = [p.id for p in original.phases if p.kind in {"annotate", "instruct", "elicit"}]
    assert [p for p in found.shared if not p.startswith("evaluate")] == before
    assert refine_of(found.spec).id in found.new
    tuned = [p for p in found.spec.phases if isinstance(p, EvaluateSpec)]
    assert {p.adapter for p in tuned} == {refine_of(found.spec).id}
    assert {p.id for p in tuned} <= set(found.new)
    assert "2 left out" in found.spec.title


def test_the_curated_run_is_queued_and_told_apart_in_every_table(runs, run_id, phase_id):
    item_notes.mark(runs, phase_id, ids_of(runs, run_id)[:3], excluded=True)
    found = curating.curated(runs, run_id)
    launched = curating.refine_again(runs, found, CPU)
    assert launched.queued == (found.run_id,)
    assert queue.read_queue(runs).run_ids == (found.run_id,)
    row = next(row for row in list_runs(runs) if row.run_id == found.run_id)
    assert row.curated == 3
    assert "3 left out" in row.name
    reindex(runs)
    assert {r.run_id: r.curated for r in registry(runs).rows()}[found.run_id] == 3
    other = run_of(runs, "instruct-only", "wren-3m")
    beside = relatives(registry(runs).rows(), other, read_run(runs, other).spec)
    assert run_id in {r.run_id for r in beside}
    assert found.run_id not in {r.run_id for r in beside}


def test_with_nothing_excluded_any_more_it_is_the_first_run_again(runs, run_id, phase_id):
    ids = ids_of(runs, run_id)[:3]
    item_notes.mark(runs, phase_id, ids, excluded=True)
    found = curating.curated(runs, run_id)
    curating.refine_again(runs, found, CPU)
    with pytest.raises(UserError, match="already leaves out these 3 pairs"):
        curating.curated(runs, found.run_id)
    item_notes.mark(runs, phase_id, ids, excluded=False)
    back = curating.curated(runs, found.run_id)
    assert (back.run_id, back.new) == (run_id, ())
    assert back.spec == read_run(runs, run_id).spec
    assert curating.refine_again(runs, back, CPU).reused == (run_id,)
    with pytest.raises(UserError, match="no pair is left out"):
        curating.curated(runs, run_id)


def test_what_the_experiment_leaves_out_stays_left_out(runs, run_id):
    spec = read_run(runs, run_id).spec
    refine = refine_of(spec)
    by_file = refine.model_copy(update={"settings": RefineSettings(exclude=("by-file",))})
    phases = tuple(by_file if p.id == refine.id else p for p in spec.phases)
    spec = spec.model_copy(update={"phases": phases})
    both = curating.without(spec, lambda _: ["by-hand", "by-file"])
    assert refine_of(both).settings.exclude == ("by-file", "by-hand")
    assert both.curated == ("by-hand",)
    back = curating.without(both, lambda _: [])
    assert refine_of(back).id == by_file.id


def test_in_a_run_of_several_rounds_what_follows_changes_too():
    experiment = load_experiment("pocket").experiment.model_copy(
        update={"arms": ("both",), "rounds": (2,), "seeds": (0,)}
    )
    resolved = replace(load_experiment("pocket"), experiment=experiment)
    spec = expand(resolved)[0]
    elicit = [p.id for p in spec.phases if p.kind == "elicit"]
    found = curating.without(spec, lambda pairs_id: ["q1"] if pairs_id == elicit[0] else [])
    kinds = [p.kind for p in spec.phases]
    same = [a.id == b.id for a, b in zip(spec.phases, found.phases, strict=True)]
    assert [k for k, s in zip(kinds, same, strict=True) if s] == ["annotate", "instruct", "elicit"]
    ids = {p.id for p in found.phases}
    assert all(set(p.inputs) <= ids for p in found.phases)
    back = curating.without(found, lambda _: [])
    assert back == spec


def test_a_run_that_does_not_refine_has_nothing_to_curate(runs):
    with pytest.raises(UserError, match="has no refine phase"):
        curating.curated(runs, run_of(runs, "instruct-only", "wren-3m"))
    with pytest.raises(UserError, match="no pairs yet"):
        curating.curated(runs, run_of(runs, "both", "otter-3m"))


def test_deleting_the_curated_run_keeps_pairs_and_marks(runs, run_id, phase_id):
    item_notes.mark(runs, phase_id, ids_of(runs, run_id)[:1], excluded=True)
    found = curating.curated(runs, run_id)
    curating.refine_again(runs, found, CPU)
    assert marked(runs, deletable(runs, found.run_id)[0]) == 0
    assert marked(runs, deletable(runs, *runs.run_ids())[0]) == 1
    delete(runs, found.run_id)
    assert (runs.phase(phase_id).out / PAIRS).exists()
    assert len(item_notes.read_marks(runs, phase_id)) == 1


def test_ids_of_a_record_are_those_that_refine_compares(runs, run_id, phase_id):
    from engine.schema.records import Pair

    by_model = [p.id for p in read_records(runs.phase(phase_id).out / PAIRS, Pair)]
    assert ids_of(runs, run_id) == by_model
