"""Names of runs by which they can be told apart wherever one stands alone: in titles, questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries import run_settings
from engine.schema.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.store.run_row import RunRow


def name_apart(run_id: str, known: Sequence[RunRow], name: str = "") -> str:
    """Return the run's name, with what tells it from the ``known`` runs: settings in which it
    differs from its namesakes, its experiment if there are several, and its id where all that is
    alike. ``name``: what a run that isn't known is called, or else its id."""
    row = next((row for row in known if row.run_id == run_id), None)
    if row is None:
        return one_line(name or run_id, 200)
    namesakes = [r for r in known if (r.name, r.experiment) == (row.name, row.experiment)]
    apart = run_settings.told_apart(namesakes)
    mine = apart.get(run_id, "")
    said = f"{one_line(row.name, 200)} {mine}".rstrip()
    if any(other.experiment != row.experiment for other in known):
        said += f" ({one_line(row.experiment, 60)})"
    if sum(apart.get(other.run_id, "") == mine for other in namesakes) > 1:
        said += f" ({run_id})"
    return said
