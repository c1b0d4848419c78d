"""Benchmarks, one file for each."""
