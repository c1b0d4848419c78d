"""The newest runs at once, from the index alone: what a screen shows before it has looked."""

from __future__ import annotations

from engine.store.registry import newest_runs

__all__ = ["newest_runs"]
