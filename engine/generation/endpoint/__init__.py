"""Answers from an endpoint over HTTP: requests, faults, waiting, limits, money."""
