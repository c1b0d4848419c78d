"""The verb notify: who is told when a run has ended, and a notice as a test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from engine.cli.completion import experiments, run_ids
from engine.cli.output import echo, ring, say
from engine.commands import notifying
from engine.planning.notify_files import places
from engine.queries.finding import find_run
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from engine.commands.notifying import Told
    from engine.schema.notify import Notify
    from engine.store.layout import RunsFolder


@click.command()
@click.argument("which", required=False, metavar="[RUN]", shell_complete=run_ids)
@click.option("--experiment", shell_complete=experiments, help="What this file says, if launched.")
@click.option("--test", "testing", is_flag=True, help="Send a notice now, by every way.")
@click.pass_obj
def notify(runs: RunsFolder, which: str | None, experiment: str | None, testing: bool) -> None:
    """Show who is told when a run is done, has failed or is stuck, and what was told of RUN.

    An experiment says it with `notify:`, and a configuration for all that don't: a command, a
    webhook (the variable or the file that holds its address), the terminal's bell.
    """
    if which is not None and experiment is not None:
        raise UserError("give a run or --experiment, not both")
    if which is not None:
        found = notifying.of_run(runs, find_run(runs, which))
    elif experiment is not None:
        found = notifying.of_experiment(experiment)
    else:
        found = notifying.of_configuration()
    if found.notify is None:
        raise UserError(
            f"nobody is told: write `notify:` into the experiment, or a file {places()[0]}"
        )
    _print(found, found.notify)
    if testing and not _test(runs, found.notify):
        sys.exit(1)


def _print(found: Told, notify: Notify) -> None:
    stuck = (
        f" (no sign of progress for {notify.stuck_minutes:g} min)" if "stuck" in notify.on else ""
    )
    say(f"told of runs that are: {', '.join(notify.on) or 'nothing'}{stuck}; so says {found.file}")
    if notify.command:
        say(f"command: {notify.command}", "  ")
    if notify.webhook_env or notify.webhook_file:
        holds = f"${notify.webhook_env}" if notify.webhook_env else notify.webhook_file
        say(f"webhook: its address is in {holds}", "  ")
    say(f"bell: {'rings where a terminal is open' if notify.bell else 'off'}", "  ")
    for notice in found.notices:
        state = "not sent yet" if notice.state == "due" else notice.state
        why = f": {notice.why}" if notice.why else ""
        say(f"{notice.at}  {notice.facts.get('event')} by {notice.channel}: {state}{why}", "  ")


def _test(runs: RunsFolder, notify: Notify) -> bool:
    """Send it and ring; whether all was sent."""
    sent = True
    for channel, why in notifying.send_test(runs, notify):
        echo(f"{channel}: {f'failed: {why}' if why else 'sent'}")
        sent = sent and not why
    if notify.bell:
        ring("sirt: test")
    return sent
