"""Where it is written: folders, logs, seals, locks and the registry."""
