"""Commands that change things: launch, stop, retry, delete, import, export, report."""
