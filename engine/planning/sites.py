"""Site files: a person's own, a group's beside the runs, and those that are shipped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.planning.own_folder import own_folder
from engine.planning.presets import PRESETS
from engine.planning.yaml_file import load
from engine.schema.errors import UserError, nearest
from engine.schema.site import Site

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder

LOCAL = "local"
SHIPPED = PRESETS / "sites"


def own_sites() -> Path:
    """Where a person's own sites are: ``~/.config/sirt/sites``."""
    return own_folder() / "sites"


def folders(runs: RunsFolder) -> tuple[Path, ...]:
    """Where sites are looked for, in this order: one's own win over the group's."""
    return own_sites(), runs.root / "sites", runs.root.parent / "sites"


def sites(runs: RunsFolder) -> dict[str, Path]:
    """All sites by name."""
    found: dict[str, Path] = {}
    for folder in (*folders(runs), SHIPPED):
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def find_site(runs: RunsFolder, name: str) -> Path:
    """The file of a site, by name or by path; ``UserError`` names the nearest."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return path.absolute()
    known = sites(runs)
    if name not in known:
        raise UserError(
            f"no site {name!r}: {nearest(name, (LOCAL, *known))} (make one with: sirt site init)"
        )
    return known[name].absolute()


def load_site(path: Path) -> Site:
    """A site's file; ``Problems`` with one line each: file:line, key, what, what to do."""
    return load(path, Site)
