"""Launch a judgement or a merge, and wait for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine.cli.experiments import print_estimate
from engine.cli.follow import follow
from engine.cli.output import echo
from engine.commands import follow_ups
from engine.machine.state import phase_state
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from engine.commands.follow_ups import FollowUp
    from engine.scheduling.queue import DeviceRequest
    from engine.store.layout import RunsFolder


def make(
    runs: RunsFolder, wanted: FollowUp, request: DeviceRequest, detach: bool, quiet: bool = False
) -> bool:
    """Launch it and follow it to its end; True when it is done, False when it was only queued.

    What is there already is not made again. Ctrl+c leaves it running, and the same call goes on
    following it. ``UserError`` when it ends otherwise.
    """
    if wanted.plan.to_do and not quiet:
        print_estimate(wanted.estimate, err=True)
    launched = follow_ups.launch(runs, wanted, request)
    if not launched.queued:
        return True
    if detach:
        echo(
            f"{wanted.run_id}: queued; look with `sirt status`, and repeat this command for the "
            "result",
            err=True,
        )
        return False
    if follow(runs, launched.queued, quiet):
        return True
    if quiet:
        ended = (phase_state(runs.phase(phase.id)) for phase in wanted.spec.phases)
        raise UserError(next((end.error for end in ended if end.error), "it was stopped"))
    sys.exit(1)
