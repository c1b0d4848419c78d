"""Where it is said who is told of a run: an experiment, a site, the user's own file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.commands.drafts import draft_of_text
from engine.commands.experiments import launch, plan_experiment
from engine.planning import notify_files
from engine.planning.yaml_file import dump, load
from engine.scheduling import daemon
from engine.scheduling.queue import DeviceRequest
from engine.schema.errors import Problems
from engine.schema.experiment import Experiment
from engine.schema.notify import Notify
from engine.store.layout import RunsFolder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("own")
SECRET = "T000/B000/verysecret"


def experiment(folder: Path, **notify: object) -> Path:
    return experiment_with(folder, notify)


def experiment_with(folder: Path, notify: object) -> Path:
    file = folder / "e.yaml"
    given = {"notify": notify} if notify else {}
    file.write_text(
        dump(
            {"name": "e", "students": ["wren-1m"], "tasks": ["pocket-sums"], "arms": ["baseline"]}
            | given
        )
    )
    return file


def test_an_experiment_says_it_without_changing_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[set[str]] = []
    monkeypatch.setattr(daemon, "ensure_running", lambda _: None)
    monkeypatch.setattr(daemon, "make_way", lambda _, names: keys.append(set(names)))
    runs = RunsFolder(tmp_path / "launched")
    (plain,) = launch(runs, plan_experiment(runs, str(experiment(tmp_path))), DeviceRequest()).all
    assert not runs.notify_file(plain).exists()
    told = experiment(tmp_path, webhook_env="MY_HOOK", stuck_minutes=5)
    assert launch(runs, plan_experiment(runs, str(told)), DeviceRequest()).all == (plain,)
    kept, file = notify_files.notify_of(runs, plain)
    assert (kept.stuck_minutes, file) == (5.0, runs.notify_file(plain))
    assert keys[-1] == {"MY_HOOK"}  # a conductor without it makes way
    aside = experiment(tmp_path, webhook_file="secret.txt")
    launch(runs, plan_experiment(runs, str(aside)), DeviceRequest())
    assert notify_files.notify_of(runs, plain)[0].webhook_file == str(tmp_path / "secret.txt")
    of_nobody = Notify(webhook_file="~no-such-user/hook")
    assert notify_files.beside(of_nobody, tmp_path).webhook_file.endswith("~no-such-user/hook")
    draft = draft_of_text(aside.read_text(), aside)
    assert draft["notify"]["webhook_file"] == str(tmp_path / "secret.txt")
    launch(runs, plan_experiment(runs, str(experiment(tmp_path))), DeviceRequest())
    assert notify_files.notify_of(runs, plain) == (None, None)  # taken back


def test_a_site_says_it_for_runs_there_and_the_user_says_otherwise(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "ensure_running", lambda _: None)
    site = tmp_path / "cluster.yaml"
    site.write_text(dump({"notify": {"webhook_file": "hook"}}))
    runs, there = RunsFolder(tmp_path / "there"), DeviceRequest(launcher=f"slurm:{site}")
    planned = plan_experiment(runs, str(experiment(tmp_path)))
    (run_id,) = launch(runs, planned, there).all
    assert notify_files.notify_of(runs, run_id)[0] == Notify(webhook_file=str(tmp_path / "hook"))
    own.write_text(dump({"command": "true"}))
    launch(runs, planned, there)
    assert notify_files.notify_of(runs, run_id) == (Notify(command="true"), own)
    planned = plan_experiment(runs, str(experiment(tmp_path, command="false")))
    launch(runs, planned, there)
    assert notify_files.notify_of(runs, run_id)[0] == Notify(command="false")


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ({"webhook_env": f"https://hooks.example/{SECRET}"}, "the name of an environment variable"),
        ({"webhook_file": f"https://hooks.example/{SECRET}"}, "a file that holds the address"),
        ({"webhook": f"https://hooks.example/{SECRET}"}, "did you mean 'webhook_env'"),
        ({"webhook_env": "A", "webhook_file": "b"}, "give one of them"),
        (f"https://hooks.example/{SECRET}", "got 'https://hooks.example/…'"),
        ({"command": ["curl", f"https://hooks.example/{SECRET}"]}, "valid string"),
        ({"on": [f"https://hooks.example/{SECRET}"]}, "not a choice"),
        ({"on": ["finished"]}, "not a choice"),
        ({"stuck_minutes": 0}, "greater than 0"),
    ],
)
def test_a_setting_that_is_wrong_is_told_with_its_line_and_no_secret(
    tmp_path: Path, notify: object, told: str
) -> None:
    with pytest.raises(Problems) as caught:
        load(experiment_with(tmp_path, notify), Experiment)
    assert told in str(caught.value)
    assert "e.yaml:" in str(caught.value)
    assert SECRET not in str(caught.value)
