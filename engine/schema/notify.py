"""Who is told when a run has ended or is stuck: ``notify:`` in an experiment or a configuration.

It is no part of any phase's identity. A webhook's address is a secret, so it is never a value
here: only the name of the variable, or of the file, that holds it.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from engine.schema.cards import Frozen

Occasion = Literal["done", "failed", "stuck"]
Channel = Literal["command", "webhook"]
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Notify(Frozen):
    """Occasions, and the ways in which they are told."""

    on: tuple[Occasion, ...] = Field(
        default=("done", "failed", "stuck"), description="what is told of; nothing when empty"
    )
    stuck_minutes: Annotated[float, Field(gt=0)] = Field(
        default=30.0, description="minutes without a sign of progress until a phase counts as stuck"
    )
    command: str = Field(
        default="",
        description="run by the shell, with the facts in SIRT_… variables and as JSON on its stdin",
    )
    webhook_env: str = Field(
        default="", description="the environment variable that holds a webhook's address"
    )
    webhook_file: str = Field(
        default="", description="the file that holds a webhook's address, and nothing else"
    )
    bell: bool = Field(
        default=True, description="ring the terminal, and set its title, where one is open"
    )

    @field_validator("webhook_env")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if name and not VARIABLE.fullmatch(name):  # it may be the address: it is not repeated
            raise ValueError(
                "expected the name of an environment variable that holds the address, such as "
                "SLACK_WEBHOOK; the address itself is a secret"
            )
        return name

    @field_validator("webhook_file")
    @classmethod
    def _is_no_address(cls, path: str) -> str:
        if "://" in path:
            raise ValueError("expected a file that holds the address; the address is a secret")
        return path

    @model_validator(mode="after")
    def _one_webhook(self) -> Self:
        if self.webhook_env and self.webhook_file:
            raise ValueError("webhook_env and webhook_file: give one of them")
        return self

    @property
    def channels(self) -> tuple[Channel, ...]:
        """How the conductor tells it; the bell is rung by whoever has a terminal."""
        webhook = bool(self.webhook_env or self.webhook_file)
        found: tuple[tuple[Channel, bool], ...] = (
            ("command", bool(self.command)),
            ("webhook", webhook),
        )
        return tuple(channel for channel, given in found if given)
