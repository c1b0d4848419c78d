"""Starts phase processes that outlive the process that started them."""
