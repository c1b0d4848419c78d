"""The site builds without a warning, and fetches nothing when it is read."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import CHECKOUT, DOCS


@pytest.mark.slow
def test_the_site_builds_and_is_whole(tmp_path, monkeypatch):
    pytest.importorskip(
        "material", reason="mkdocs-material is not installed (pip install '.[docs]')"
    )
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")
    config = load_config(str(CHECKOUT / "mkdocs.yml"), site_dir=str(tmp_path), strict=True)
    build(config)
    pages = {page.relative_to(tmp_path).with_suffix(".md") for page in tmp_path.rglob("*.html")}
    assert {page.relative_to(DOCS) for page in DOCS.rglob("*.md")} <= pages
    fetched = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="?(?:https?:)?//')
    assert not [page.name for page in tmp_path.rglob("*.html") if fetched.search(page.read_text())]
    assert "learning_rate" in (tmp_path / "reference" / "settings.html").read_text()
    assert {path.suffix for path in tmp_path.rglob("*")}.isdisjoint({".py", ".pyc"})
