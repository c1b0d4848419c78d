"""Data models: cards, settings, experiments, phase specs, events and records.

Imports the standard library and pydantic, nothing else.
"""
