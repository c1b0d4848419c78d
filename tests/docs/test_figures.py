"""Figures that stand on the pages in words are those of the program."""

from __future__ import annotations

import pytest

from engine.machine.allocation import BARREN
from engine.planning.engines import LEAST
from engine.planning.needs import MEMORIES, TIMES
from engine.scheduling.launchers.slurm.launcher import NODE_TRIES
from engine.scheduling.launchers.slurm.script import LEAD_S
from engine.schema.cards import Endpoint
from engine.schema.notify import Notify
from engine.schema.settings import PAPERS_LIMIT, InstructSettings
from engine.scoring.statistics import RESAMPLES
from engine.tasks.multiarith import TEST_SHARE
from tests.docs.pages import DOCS, text_of

WORDS = {1.5: "one and a half times", 2: "twice", 3: "three", 5: "five", 90: "ninety"}
TOLD = {
    "cluster.md": (
        f"asks for {WORDS[TIMES]} times as long as its phase is expected",
        f"for {WORDS[MEMORIES]} the memory that similar phases took",
        f"{WORDS[LEAD_S]} seconds before its time limit",
        f"that {WORDS[BARREN]} allocations in a row",
        f"tried again by itself, {WORDS[NODE_TRIES]} |",
    ),
    "real-models.md": (f"models of {LEAST / 1e9:g} b weights and more on a gpu",),
    "method.md": (f"learn from {PAPERS_LIMIT} questions",),
    "guide/compare.md": (f"{RESAMPLES:,} resamples",),
    "guide/compose.md": (f"{TEST_SHARE:.0%}".replace("%", " %") + " of it is the test",),
    "guide/endpoints.md": (
        f"{WORDS[Endpoint.model_fields['patience_s'].default / 60]} minutes unless the card says",
    ),
    "guide/watch.md": (
        f"`look_prompts`, {InstructSettings().look_prompts} unless you say otherwise",
        f"stuck_minutes: {Notify().stuck_minutes:g}",
    ),
}


@pytest.mark.parametrize("page", TOLD)
def test_figures_on_a_page_are_those_of_the_program(page):
    text = " ".join(text_of(DOCS / page).lower().split())
    assert not [words for words in TOLD[page] if words not in text]
