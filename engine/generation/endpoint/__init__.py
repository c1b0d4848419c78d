"""Answers over HTTP: requests, faults, waiting, limits, money."""
