"""What is checked before and while a model is trained."""

from __future__ import annotations

import pytest
import torch

from engine.schema.errors import UserError
from engine.training import guards


def test_a_reference_that_moved_is_refused() -> None:
    model = torch.nn.Module()
    model.register_module("ref", torch.nn.Linear(2, 2))
    values = {"model.default.weight": torch.zeros(2, 2)}
    holder = torch.nn.Module()
    holder.add_module("model", model)
    with pytest.raises(UserError, match="not the starting point"):
        guards.check_reference(holder, values)
