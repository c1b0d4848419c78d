"""vLLM as an engine: install it, start servers, share them, ask them, and end them.

It can't share this environment (its transformers is another), so it is always a program of its
own, spoken to over HTTP on this machine.
"""

from engine.schema.errors import UserError


class Unfit(UserError):
    """vLLM can't serve this model; no question was asked yet."""
