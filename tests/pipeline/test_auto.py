"""What `auto` becomes on each device, and that a run keeps it."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from handpose import compose_config
from handpose.pipeline.auto import settled


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """gpus(True, False): two GPUs, of which the first computes in bfloat16."""

    def pretend(*has_bf16: bool) -> None:
        current = [0]

        def select(place: int) -> nullcontext:
            current[0] = place
            return nullcontext()

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(has_bf16))
        monkeypatch.setattr(torch.cuda, "device", select)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16[current[0]]
        )

    return pretend


def became(*overrides: str, run_dir: Path | None = None) -> tuple[str, bool]:
    trainer = settled(compose_config(*overrides), run_dir).trainer
    return trainer.precision, trainer.channels_last


def test_a_cpu_computes_in_float32() -> None:
    assert became() == ("32-true", False)


@pytest.mark.parametrize(
    ("devices", "overrides", "expected"),
    [
        ((True,), (), ("bf16-mixed", True)),
        ((False,), (), ("16-mixed", True)),
        ((True, False), ("trainer.devices=2",), ("16-mixed", True)),
        ((True, False), ("trainer.devices=[0]",), ("bf16-mixed", True)),
        ((True, False), ("trainer.devices=[1]",), ("16-mixed", True)),
        ((True,), ("trainer=gpu",), ("bf16-mixed", True)),
        ((True,), ("trainer=cpu",), ("32-true", False)),
        ((True,), ("trainer=debug",), ("32-true", False)),
        ((True,), ("trainer.precision=32-true",), ("32-true", False)),
        ((True,), ("trainer.channels_last=false",), ("bf16-mixed", False)),
        ((True,), ("trainer.precision=16-mixed",), ("16-mixed", True)),
        ((False,), ("trainer.precision=32-true", "trainer.channels_last=true"), ("32-true", True)),
    ],
)
def test_a_gpu_computes_in_16_bits(
    devices: tuple[bool, ...], overrides: tuple[str, ...], expected: tuple[str, bool], gpus: Any
) -> None:
    gpus(*devices)
    assert became(*overrides) == expected


def _store(run_dir: Path, **trainer: Any) -> None:
    (run_dir / "config.json").write_text(json.dumps({"trainer": trainer}))


def test_a_resumed_run_keeps_what_it_began_with(gpus: Any, tmp_path: Path) -> None:
    gpus(True)
    _store(tmp_path, precision="32-true", channels_last=False)  # begun on a CPU, or before auto
    assert became(run_dir=tmp_path) == ("32-true", False)
    assert became("trainer.precision=bf16-mixed", run_dir=tmp_path) == ("bf16-mixed", False)


def test_a_run_of_a_gpu_resumed_on_a_cpu_keeps_its_precision_too(tmp_path: Path) -> None:
    _store(tmp_path, precision="bf16-mixed", channels_last=True)
    assert became(run_dir=tmp_path) == ("bf16-mixed", True)


def test_views_are_made_where_the_run_trains(gpus: Any, tmp_path: Path) -> None:
    def by(*overrides: str, run_dir: Path | None = None) -> str:
        return settled(compose_config(*overrides), run_dir).trainer.augment_on

    assert by() == "workers"
    gpus(True)
    assert by() == "device"
    assert by("trainer=cpu") == "workers"
    assert by("trainer.augment_on=workers") == "workers"
    _store(tmp_path, precision="32-true", channels_last=False)  # before the key existed
    assert by(run_dir=tmp_path) == "workers"
    _store(tmp_path, augment_on="device")
    assert by("trainer=cpu", run_dir=tmp_path) == "device"
