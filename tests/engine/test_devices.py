"""GPUs through a stand-in for pynvml; CPU and memory of this very process."""

from __future__ import annotations

import math
import os
import sys
from types import SimpleNamespace

import pytest

from engine.interfaces import Devices
from engine.machine import devices
from engine.machine.devices import MIB, ResourceMonitor
from tests.engine.fakes import until


class NoDriver(Exception):
    pass


def fake_nvml(cards, driver=True):
    """``cards``: (used MiB, [(pid, used MiB)])."""

    def init():
        if not driver:
            raise NoDriver

    def busy(card):
        if card == 1:
            raise NoDriver  # a partitioned card
        return SimpleNamespace(gpu=30 + card)

    def first_only(value):
        def told(card, *_):
            if card == 1:
                raise NoDriver
            return value

        return told

    def samples(card, since):
        assert since > 1e15  # microseconds since 1970
        return [
            SimpleNamespace(pid=os.getpid(), smUtil=share, timeStamp=at)
            for share, at in ((82, 2), (5, 1))
        ]

    def users(card):
        return [SimpleNamespace(pid=p, usedGpuMemory=m and m * MIB) for p, m in cards[card][1]]

    return SimpleNamespace(
        NVMLError=NoDriver,
        nvmlInit=init,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(cards),
        nvmlDeviceGetHandleByIndex=lambda i: i,
        nvmlDeviceGetMemoryInfo=lambda i: SimpleNamespace(
            total=80_000 * MIB, used=cards[i][0] * MIB
        ),
        nvmlDeviceGetName=lambda i: b"A card",
        nvmlDeviceGetUUID=lambda i: f"GPU-{i}",
        nvmlDeviceGetUtilizationRates=busy,
        nvmlDeviceGetComputeRunningProcesses=users,
        NVML_TEMPERATURE_GPU=0,
        nvmlDeviceGetTemperature=first_only(61),
        nvmlDeviceGetPowerUsage=first_only(310_400),
        nvmlDeviceGetEnforcedPowerLimit=first_only(700_000),
        nvmlDeviceGetProcessUtilization=samples,
    )


@pytest.fixture
def two_cards(monkeypatch):
    nobody = 2**22 + 1  # beyond the largest pid
    cards = [(300, []), (40_000, [(os.getpid(), 30_000), (nobody, None)])]
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(cards))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_cards_and_who_is_on_them(two_cards):
    first, second = devices.gpus()
    assert (first.name, first.used, first.total, first.utilisation) == ("A card", 300, 80_000, 30)
    assert not first.busy
    assert second.busy
    assert second.utilisation != second.utilisation  # not known
    mine, gone = second.processes
    assert (mine.pid, mine.used, mine.ours) == (os.getpid(), 30_000, True)
    assert (gone.user, gone.ours) == ("?", False)
    assert (first.temperature, first.power, first.power_limit) == (61, 310.4, 700)
    assert all(map(math.isnan, (second.temperature, second.power, second.power_limit)))
    assert mine.share == 82  # by the newest sample
    assert math.isnan(gone.share)


@pytest.mark.parametrize(
    ("visible", "expected"), [("1", [1]), ("GPU-0", [0]), ("", []), ("0,1", [0, 1])]
)
def test_cards_that_the_site_hides_are_not_used(two_cards, monkeypatch, visible, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [g.index for g in devices.allowed_gpus(devices.gpus())] == expected


@pytest.mark.parametrize("module", [None, fake_nvml([], driver=False)])
def test_no_driver_means_no_cards(monkeypatch, module):
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert devices.gpus() == ()


def test_the_environment_of_a_phase():
    on_cards = devices.environment(Devices((2, 3), 4))
    assert on_cards["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert on_cards["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert on_cards["OMP_NUM_THREADS"] == "4"
    assert devices.environment(Devices())["CUDA_VISIBLE_DEVICES"] == ""


def test_the_monitor_says_what_this_process_uses(two_cards):
    events = []
    with ResourceMonitor(events.append, Devices((1,)), every_s=0.01):
        # CPU time is counted in hundredths of a second: work until some has been seen
        until(lambda: sum(range(10_000)) and any(e.cpu > 0 for e in events))
    told = len(events)
    assert 10 < events[0].rss < 10_000
    assert events[0].gpus[0]["used"] == 40_000
    assert len(events) == told  # nothing after the end: the final event comes last


def test_machine():
    found = devices.machine()
    assert found.cores >= 1
    assert 0 < found.memory_used < found.memory_total
