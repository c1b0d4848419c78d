"""What is written and said: cards, settings, experiments, phase specs, events, records.

Imports the standard library and pydantic, nothing else.
"""
