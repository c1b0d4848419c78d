"""vLLM as a part of the program: installed, started, shared, asked and ended by it.

It can't share this environment (its transformers is another), so it is always a program of its
own, spoken to over HTTP on this machine.
"""

from engine.schema.errors import UserError


class Unfit(UserError):
    """vLLM can't stand in for the model; nothing was asked yet."""
