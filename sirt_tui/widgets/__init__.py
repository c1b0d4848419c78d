"""Widgets that know nothing of experiments: table, text, dialogs, charts."""
