"""The parts of ``benchmarks/gpu.py``: models of random weights, ours, TRL's, and the table."""
