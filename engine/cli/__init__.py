"""The verbs as a command line: parse, call :mod:`engine.commands`, print.

Every verb is a module that is imported when it is called, so that ``sirt --help`` stays quick.
"""

from engine.cli.main import main

__all__ = ["main"]
