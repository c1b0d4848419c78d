"""General widgets, independent of experiments: tables, text, dialogs, charts."""
