"""Who learns: trainers, adapters, checkpoints, guards."""
