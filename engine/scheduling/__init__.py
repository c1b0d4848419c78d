"""Decides which phase runs on which device, and when."""
