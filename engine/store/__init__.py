"""Storage on disk: folders, event logs, seals, locks and the index of runs."""
