"""Flat recipes, one a kind of phase, read top to bottom; what two share is a function."""
