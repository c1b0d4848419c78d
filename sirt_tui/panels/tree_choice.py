"""The experiment's own keys as rows to tick: models, tasks, arms, devices and the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rich.text import Text

from engine.commands.composing import Choice, gpu_sizes
from engine.queries import settings_form
from engine.schema.sanitize import one_line
from sirt_tui.format import NOTHING
from sirt_tui.panels.draft_view import DraftView
from sirt_tui.widgets.columns import Column
from sirt_tui.widgets.picking import PickTable
from sirt_tui.widgets.table_lines import Head

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from engine.queries.machine import Gpu, MachineNow
    from engine.queries.settings_form import Draft, Setting

DEVICES = "devices"
EACH = "each"
SITE = "site:"
OF_MODELS = ("teachers", "students")
CARDS = "cards"
LABELS = {"report_to": "report curves to", "reuse": "reuse from"}
OPENED = ("teachers", "students", "tasks", "arms", DEVICES)  # what most experiments choose


@dataclass(frozen=True, slots=True)
class Placement:
    """The chosen devices: the CPU, or GPUs (any, if none is named), and how many of them a training
    phase gets; or a cluster's ``site``, whose file says it."""

    cpu: bool = False
    gpus: tuple[int, ...] = ()
    each: int = 1
    site: str = ""

    def toggled(self, which: str) -> Placement:
        """Choose ``cpu``, the GPU of that number or the site after ``site:``, or undo that."""
        if which.startswith(SITE):
            site = which.removeprefix(SITE)
            return Placement(each=self.each, site="" if site == self.site else site)
        if which == "cpu":
            return replace(self, cpu=not self.cpu, site="")
        gpus = tuple(sorted({int(which)} ^ set(self.gpus)))
        return replace(self, cpu=False, gpus=gpus, site="")

    def said(self, present: bool) -> str:
        if self.site:
            return f"site {self.site}"
        if self.cpu or not present:
            return "CPU"
        which = f"GPU {','.join(map(str, self.gpus))}" if self.gpus else "any GPU"
        return which if self.each == 1 else f"{which}, {self.each} a training phase"


@dataclass(frozen=True, slots=True)
class Row:
    """A key of the file, or below it a value to tick (``option``). ``opened``: None if there are no
    values below."""

    key: str
    label: str
    note: str
    about: str = ""
    setting: Setting | None = None
    option: Choice | None = None
    chosen: bool = False
    problem: str = ""
    opened: bool | None = None
    busy: bool = False

    @property
    def heading(self) -> str:
        """The key of its heading; its own, if it is one."""
        return self.key.partition("/")[0]

    @property
    def is_heading(self) -> bool:
        return self.key == self.heading


@dataclass(frozen=True, slots=True)
class Offered:
    """What can be chosen: ``choices`` by the file's key, the machine as it is now, and clusters'
    ``sites``."""

    choices: Mapping[str, Sequence[Choice]] = field(default_factory=dict)
    machine: MachineNow | None = None
    placement: Placement = Placement()
    sites: Sequence[str] = ()

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        return self.machine.gpus if self.machine else ()

    @property
    def on_gpu(self) -> bool:
        return bool(self.placement.site or self.gpus) and not self.placement.cpu

    @property
    def on(self) -> str:
        """The chosen devices in a few words."""
        return self.placement.said(bool(self.gpus))

    @property
    def where(self) -> str:
        """The kind of device that an estimate is for."""
        return "on a GPU" if self.on_gpu else "on the CPU"

    @property
    def sizes(self) -> tuple[float, ...]:
        """The GPU sizes in GiB to compare a plan with."""
        return gpu_sizes(self.gpus)


class ChoicesPanel(PickTable[Row]):
    """Shows keys as headings that unfold to values to tick. While it is searched, it shows only
    the values and headings with these words in their names."""

    tick_cells = 8  # where rows are folded and ticked

    def __init__(self, id: str | None = None) -> None:
        super().__init__(choice_columns(), lambda row: row.key, id=id)
        self.grouping = self._with_heads
        self._opened = set(OPENED)
        self._hidden: set[str] = set()  # heads whose models are hidden
        self._words = ""
        self._drawn = DraftView({}, Offered())

    def unfold_changed(self, draft: Draft) -> None:
        """Unfold every key that the draft changes."""
        self._opened |= {
            setting.key
            for setting in settings_form.settings()
            if settings_form.is_changed(draft, setting)
        }

    def action_pick(self) -> None:
        if not self._fold():
            super().action_pick()

    def action_select(self) -> None:
        if not self._fold():
            super().action_select()

    def _fold(self) -> bool:
        """Fold or unfold the key under the cursor, before the next key comes; return whether it
        has values to fold."""
        if self.head is not None:
            self._hidden ^= {self.head.key}
        elif self.row is not None and self.row.opened is not None:
            self._opened ^= {self.row.key}
        else:
            return False
        self.show_draft(self._drawn)
        return True

    def search(self, words: str) -> None:
        """Show the rows with these words in their names; all without words."""
        self._words = words
        self.show_draft(self._drawn)

    @property
    def found(self) -> int:
        """How many rows the search found."""
        return len(self.rows)

    def show_offered(self, offered: Offered) -> None:
        """Show the machine's new state."""
        self.show_draft(replace(self._drawn, offered=offered))

    def show_draft(self, of: DraftView) -> None:
        self._drawn = of
        draft, offered = of.draft, of.offered
        mine = [setting for setting in settings_form.settings() if not setting.is_setting]
        rows: list[Row] = []
        for setting in sorted(mine, key=lambda setting: _rank(setting, offered)):
            if _rank(setting, offered) == REST and not any(row.key == DEVICES for row in rows):
                rows += device_rows(offered, self._is_open(DEVICES))
            problem = of.problem(setting.key)
            if setting.key != CARDS or problem or settings_form.is_changed(draft, setting):
                opened = self._is_open(setting.key)
                rows += rows_of_setting(draft, setting, offered, problem, opened)
        self.show(matching(rows, self._words))

    def _with_heads(self, rows: Sequence[Row]) -> list[Row | Head]:
        return with_heads(rows, set() if self._words.strip() else self._hidden)

    def _is_open(self, key: str) -> bool:
        return bool(self._words.strip()) or key in self._opened


def matching(rows: Sequence[Row], words: str) -> list[Row]:
    """Return the rows with all these words in their names, with their headings; of a heading with
    these words all rows."""
    wanted = words.lower().split()
    hits = {row.key for row in rows if all(word in row.label.lower() for word in wanted)}
    headings = {row.heading for row in rows if row.key in hits}
    return [row for row in rows if hits & {row.key, row.heading} or row.key in headings]


def with_heads(rows: Sequence[Row], folded: Collection[str] = ()) -> list[Row | Head]:
    """Put a head before the models of each key that must be downloaded first; of folded heads,
    leave out those that are not chosen."""
    lines: list[Row | Head] = []
    last = ""  # the head that was put last
    for row in rows:
        fetch, head = row.option is not None and row.option.fetch, f"{row.heading}/"
        if fetch and head != last:
            last = head
            lines.append(Head(head, "to download", Text(), head in folded, depth=1))
        if not fetch or row.chosen or head not in folded:
            lines.append(row)
    return lines


NAME, CHOSEN, REST = range(3)


def _rank(setting: Setting, offered: Offered) -> int:
    """Order the rows: the name, then keys that span the experiment's cells, then the rest."""
    if setting.key == "name":
        return NAME
    spans = setting.options or setting.key in offered.choices or (setting.many and setting.default)
    return CHOSEN if spans else REST


def label_of(setting: Setting) -> str:
    """Return what a key of the file is called on the screen."""
    return LABELS.get(setting.key, setting.name.replace("_", " "))


def rows_of_setting(
    draft: Draft, setting: Setting, offered: Offered, problem: str, opened: bool
) -> list[Row]:
    """Return the key's row with its value, and if unfolded, the rows to tick."""
    value = settings_form.value_of(draft, setting)
    chosen = settings_form.listed(draft, setting)
    found = _choices(draft, setting, offered, chosen)
    heading = Row(
        key=setting.key,
        label=label_of(setting),
        note="" if value in (None, "", [], {}) else settings_form.typed(setting, value),
        about=setting.meaning,
        setting=setting,
        problem=problem,
        opened=opened if found else None,
    )
    below = found if opened else []
    return [heading, *(_option(setting, choice, choice.value in chosen) for choice in below)]


def _choices(
    draft: Draft, setting: Setting, offered: Offered, chosen: Iterable[Any]
) -> list[Choice]:
    """List the values to tick, including the draft's own models and all values it has chosen."""
    known = list(offered.choices.get(setting.key, ()))
    named = [choice.value for choice in known]
    known += [Choice(o) for o in setting.options if o is not None and o not in named]
    if not known:
        return []
    if setting.key in OF_MODELS:
        known += [Choice(name, "in this file") for name in settings_form.own_models(draft)]
    values = [choice.value for choice in known]
    known += [Choice(value) for value in chosen if value not in values]
    return sorted(known, key=lambda choice: choice.fetch)


def _option(setting: Setting, choice: Choice, chosen: bool) -> Row:
    return Row(
        key=f"{setting.key}/{choice.value}",
        label=str(choice.value),
        note=choice.note,
        about=choice.about or setting.meaning,
        setting=setting,
        option=choice,
        chosen=chosen,
    )


def device_rows(offered: Offered, opened: bool) -> list[Row]:
    """Return rows for the CPU and each GPU, with who uses it now."""
    now, gpus, placement = offered.machine, offered.gpus, offered.placement
    about = "where phases run; a GPU that somebody else uses is waited for"
    heading = Row(DEVICES, DEVICES, offered.on, about, opened=opened)
    if not opened:
        return [heading]
    cores = f"{now.machine.cores} cores" if now else ""
    none = ", no GPU found (no NVIDIA driver answers)" if now and not gpus else ""
    on_cpu = not placement.site and (placement.cpu or not gpus)
    rows = [heading, Row(f"{DEVICES}/cpu", "CPU", cores + none, about, chosen=on_cpu)]
    for gpu in gpus:
        chosen = not placement.cpu and gpu.index in placement.gpus
        more = f"{gpu.name}; no GPU ticked means any GPU"
        key, label = f"{DEVICES}/{gpu.index}", f"GPU {gpu.index}"
        rows.append(Row(key, label, gpu_use(gpu), more, chosen=chosen, busy=gpu.busy))
    for site in offered.sites:
        said = "a cluster: its file says what each phase asks for"
        key, chosen = f"{DEVICES}/{SITE}{site}", site == placement.site
        rows.append(Row(key, f"site {site}", "jobs of a cluster", said, chosen=chosen))
    if len(gpus) > 1:
        about = "how many GPUs one training phase gets; all others get one"
        rows.append(Row(f"{DEVICES}/{EACH}", "GPUs a phase", str(placement.each), about))
    return rows


def gpu_use(gpu: Gpu) -> str:
    """Write ``free``, or who uses how much of the GPU."""
    size = f"{gpu.total / 1024:.0f} GiB"
    if not gpu.busy:
        return f"free, {size}"
    names = ", ".join(dict.fromkeys(process.user for process in gpu.processes))
    return f"{gpu.used / 1024:.0f}/{size} {names or 'in use'}"


def choice_columns() -> list[Column[Row]]:
    return [
        Column("label", "experiment", 25, _label),
        Column("note", "", 12, _note, grows=True),
    ]


def _label(row: Row) -> Text:
    label = one_line(row.label, 60)
    if row.is_heading:
        fold = {None: "  ", True: "▾ ", False: "▸ "}[row.opened]
        return Text(fold + label, "bold red" if row.problem else "bold")
    if row.key == f"{DEVICES}/{EACH}":
        return Text(f"      {label}")
    text = Text("  ")
    text.append("[x] " if row.chosen else "[ ] ", "green" if row.chosen else "dim")
    return text.append(label)


def _note(row: Row) -> Text:
    if row.problem:
        return Text(f"! {one_line(row.problem, 200)}", "red")
    if row.is_heading:
        return Text(one_line(row.note, 200) or NOTHING, "" if row.note else "dim")
    return Text(one_line(row.note, 200), "yellow" if row.busy else "dim")


def describe(row: Row) -> Text:
    """Describe a row's meaning and its problem, if any."""
    text = Text()
    text.append(one_line(row.label, 80), "bold")
    text.append(f"  {one_line(row.note, 200)}\n", "dim")
    if row.problem:
        text.append(f"! {one_line(row.problem, 300)}\n", "red")
    return text.append(one_line(row.about, 400))
