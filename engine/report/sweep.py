"""The report's table of accuracies by swept setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries.sweeps import swept
from engine.tables import sweeps

if TYPE_CHECKING:
    from engine.queries.study import Study
    from engine.tables.table import Table


def by_setting(study: Study) -> Table | None:
    """List accuracies by the settings that the experiment sweeps over; None without a sweep."""
    found = swept(study.rows)
    return sweeps.by_setting(found) if found.keys else None
