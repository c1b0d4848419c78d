"""What a launch would do, in one summary: runs, phases, what is reused, paid, and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.counts import counted
from engine.schema.sanitize import one_line
from engine.schema.varied import value_text
from sirt_tui.format import money, roughly
from sirt_tui.panels.planned import IN_TURN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.commands.composing import Planned

WIDTH = 300


def summary(planned: Planned, where: str, on: str, there: int = 0) -> list[str]:
    """Return a line for each fact. ``where``: the kind of device of the estimate; ``on``: the
    devices that are asked for; ``there``: how many runs the folder has of that experiment."""
    plan = planned.plan
    name = planned.resolved.experiment.name
    left = {kind: counts[2] for kind, counts in plan.counts().items() if counts[2]}
    facts = {
        "joins": f"experiment {name}, which has {counted(there, 'run')} here" if there else "",
        "sweep": "; ".join(
            f"{key} over {', '.join(map(value_text, values))}"
            for key, values in planned.swept.items()
        ),
        "to do": _by_kind(len(plan.to_do), left) if plan.to_do else "nothing, all is finished",
        "reused": _by_kind(len(plan.done), planned.reused) if plan.done else "nothing",
        "taken": "; ".join(planned.from_elsewhere),
        "to pay": paid(planned),
        "time": _time(planned, where),
        "on": on,
        "fetched": "; ".join(note for note in planned.notes if "is not on this machine" in note),
        "unusual": ", ".join(
            dict.fromkeys(key.removeprefix("settings.") for key, _ in planned.remarks)
        ),
    }
    return [one_line(f"{name:<10}{said}", WIDTH) for name, said in facts.items() if said]


def _by_kind(number: int, kinds: Mapping[str, int]) -> str:
    """``6 phases: 2 refine, 4 evaluate``."""
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"{counted(number, 'phase')}: {listed}"


def paid(planned: Planned) -> str:
    """``nothing``, or how much the endpoints are estimated to charge, and the caps."""
    if not (said := planned.estimate.costs):
        return "nothing"
    sources = {
        p.card.name: p.card.source for p in planned.plan.to_do if p.card and p.card.source.bills_in
    }
    caps = [
        f"{name} stops at {money(source.cap, str(source.bills_in))} a phase"
        if source.cap is not None
        else f"{name} has no cap (max_spend)"
        for name, source in sources.items()
    ]
    return f"{said}; {', '.join(caps)}"


def _time(planned: Planned, where: str) -> str:
    if not planned.plan.to_do:
        return ""
    unknown = planned.estimate.unknown
    more = f", and {counted(unknown, 'phase')} of unknown length" if unknown else ""
    return f"{roughly(planned.estimate.seconds)} {where}, {IN_TURN}{more}"
