"""The table of all settings: value, default, the default's source, meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text
from textual.containers import Vertical

from engine.queries import settings_form
from engine.schema.sanitize import one_line
from sirt_tui.widgets.columns import Column
from sirt_tui.widgets.picking import PickTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult

    from engine.queries.settings_form import Draft, Setting
    from sirt_tui.panels.draft_view import DraftView


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting of the draft; ``value`` and ``default`` are written as in the file. ``remark``:
    what is unusual about the value."""

    setting: Setting
    value: str
    default: str
    changed: bool
    problem: str = ""
    remark: str = ""

    def matches(self, words: list[str]) -> bool:
        """Whether the row matches: ``changed`` finds changed settings, other words any column."""
        setting = self.setting
        text = f"{setting.name} {self.value} {setting.origin} {setting.meaning}".lower()
        return all(self.changed if word == "changed" else word in text for word in words)


class SettingsPanel(Vertical):
    """Shows the settings, or those that are searched for; changed ones have the sign."""

    DEFAULT_CSS = "SettingsPanel { height: 1fr; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[SettingRow] = []
        self._words = ""

    def compose(self) -> ComposeResult:
        table: PickTable[SettingRow] = PickTable(setting_columns(), lambda row: row.setting.key)
        yield table

    @property
    def table(self) -> PickTable[SettingRow]:
        return self.query_one(PickTable)

    def show(self, of: DraftView) -> None:
        settings = [setting for setting in settings_form.settings() if setting.is_setting]
        self._rows = [
            _row(of.draft, setting, of.problem(setting.key), of.remark(setting.key))
            for setting in settings
        ]
        self.table.ticked = {row.setting.key for row in self._rows if row.changed}
        self._draw()

    def search(self, words: str) -> None:
        """Show the settings that match these words; all without words."""
        self._words = words
        self._draw()

    @property
    def found(self) -> int:
        """How many rows the search found."""
        return len(self.table.rows)

    def _draw(self) -> None:
        words = self._words.lower().split()
        self.table.show([row for row in self._rows if row.matches(words)])


def _row(draft: Draft, setting: Setting, problem: str, remark: str) -> SettingRow:
    value = settings_form.value_of(draft, setting)
    default = settings_form.said(setting.default)
    changed = bool(value != setting.default)
    return SettingRow(setting, settings_form.said(value), default, changed, problem, remark)


def setting_columns() -> list[Column[SettingRow]]:
    return [
        Column("setting", "setting (* changed)", 26, _name, narrow=20),
        Column("value", "value", 15, _value, narrow=12),
        Column("default", "default", 12, _default, rank=2, narrow=10),
        Column("origin", "source of default", 18, lambda row: (row.setting.origin, "dim"), rank=1),
        Column("meaning", "meaning", 20, _meaning, rank=3, grows=True),
    ]


def _name(row: SettingRow) -> Text:
    section, _, name = row.setting.name.partition(".")
    text = Text().append(f"{section}.", "dim")
    return text.append(name, "bold" if row.changed else "")


def _value(row: SettingRow) -> Text:
    if row.problem:
        return Text(f"! {one_line(row.value, 100)}", "bold red")
    if row.remark:
        return Text(f"~ {one_line(row.value, 100)}", "bold magenta")
    return Text(one_line(row.value, 100), "bold yellow" if row.changed else "")


def _default(row: SettingRow) -> Text:
    return Text(one_line(row.default, 100), "" if row.changed else "dim")


def _meaning(row: SettingRow) -> Text:
    return Text(one_line(row.setting.meaning, 200), "dim")


def describe(row: SettingRow) -> Text:
    """Write all about a setting: value, default and source, problem, meaning, options."""
    setting = row.setting
    text = Text()
    text.append(setting.name, "bold")
    text.append(f"  {one_line(row.value, 100)}", "bold yellow" if row.changed else "")
    text.append(f"  default {one_line(row.default, 100)}, {setting.origin}\n", "dim")
    if row.problem:
        text.append(f"! {one_line(row.problem, 300)}\n", "red")
    elif row.remark:
        text.append(f"~ {one_line(row.remark, 300)}\n", "magenta")
    text.append(setting.meaning)
    if setting.options:
        text.append(f"  ({', '.join(map(settings_form.said, setting.options))})", "dim")
    if setting.usual and not row.remark:
        text.append(f"  usual: {setting.usual.said}", "dim")
    return text


def explanation(known: Iterable[tuple[str, str]]) -> Table:
    """Write names and what there is to know of them, a line each."""
    table = Table.grid(padding=(0, 2))
    for name, text in known:
        table.add_row(Text(name, "dim"), Text(text))
    return table
