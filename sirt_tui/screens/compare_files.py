"""Write the Compare screen's views as files: Markdown, LaTeX and CSV."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.queries.run_settings import names_apart
from engine.report.folder import write_new
from engine.schema.errors import UserError
from engine.tables import accuracies, answers, comparisons, efforts, sweeps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.queries.comparison import Compared, Overview
    from engine.queries.judgements import Judgement
    from engine.queries.sweeps import Sweep
    from engine.store.phase_log import PhaseView
    from engine.tables.table import Table
    from sirt_tui.page import Page


@dataclass(frozen=True, slots=True)
class Shown:
    """The data of all views. ``metric``: the phase and name of the curve. ``left_out``: how many
    runs are in none of them."""

    compared: Compared
    overview: Overview
    settings: Sequence[tuple[str, tuple[str, ...]]]
    views: Sequence[dict[str, PhaseView]]
    metric: tuple[str, str]
    judged: Sequence[Judgement]
    sweep: Sweep
    left_out: str = ""

    async def export(self, page: Page, view: str) -> None:
        """Ask for a folder, and write the view there in every format."""
        picture = {f"{view}.svg": page.app.export_screenshot(title=f"SIRT {view}")}
        hint = f"{view}.md, .tex, .csv, and this picture as .svg; nothing there is overwritten"
        experiments = {row.experiment for row in self.compared.rows}
        name = experiments.pop() if len(experiments) == 1 else "several"
        place = str(page.runs.root.parent / "reports" / f"{name}-compared")
        said = await page.sirt.ask_text(f"Export {view} into which folder?", place, hint)
        if not said:
            return
        folder = Path(said).expanduser()
        try:
            files = await page.ask(self.files, view)
            made = await page.ask(write_new, folder, files | picture)
        except (UserError, OSError) as error:
            page.sirt.say_error(error)
        else:
            page.sirt.say(f"{len(made)} files are in {folder}")

    def files(self, view: str) -> dict[str, str]:
        """Return files' names and contents. Only CSV has the whole curves."""
        names = names_apart(self.compared.rows)
        match view:
            case "accuracies":
                took = efforts.efforts(self.compared.efforts, names)
                table = accuracies.compared(self.compared, names)
                return self._files(table) | self._files(took)
            case "settings":
                return self._files(comparisons.settings(self.settings, names))
            case "curves":
                what = (self.views, self.compared.rows, *self.metric)
                data = comparisons.curves(*what)
                return self._files(comparisons.curve_ends(*what)) | {f"{view}.csv": data.csv()}
            case "fractions":
                return self._files(comparisons.fractions(self.overview.fractions))
            case "sweep":
                return self._files(sweeps.by_setting(self.sweep))
            case "judgements":
                return self._files(answers.judgements(self.judged))
            case _:
                files: dict[str, str] = {}
                for name, found in self.overview.matrices.items():
                    table = comparisons.matrix(found, found.evaluated, f"{view}-{name}")
                    files |= self._files(table)
                return files

    def _files(self, table: Table) -> dict[str, str]:
        return replace(table, left_out=self.left_out).files()
