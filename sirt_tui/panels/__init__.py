"""One file a panel: it takes a view, draws it, and knows nothing else."""
