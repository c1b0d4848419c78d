"""The command line: parse a verb, call :mod:`engine.commands`, print the result.

Every verb is a module that is imported when it is called, so that ``sirt --help`` stays quick.
"""

from engine.cli.main import main

__all__ = ["main"]
