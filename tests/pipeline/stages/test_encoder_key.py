"""Which settings decide an encoder, and which do not."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from handpose.config.catalogue import CONF
from handpose.config.schema import register
from handpose.pipeline.stages.encoder_key import CODE, describe, encoder_makers

DATA = {"train": "renders-1", "val": "renders-2"}


@cache
def composed(*overrides: str) -> dict[str, Any]:
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=["objective=contrastive", *overrides])
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def key(*overrides: str, data: dict[str, str | None] = DATA) -> str:
    return json.dumps(describe(composed(*overrides), data), sort_keys=True)


@pytest.mark.parametrize(
    "override",
    [
        "head=regression",
        "finetune.label_fraction=0.1",
        "dataset@finetune.dataset=mpii",
        "evaluate.split=val",
        "reference_bone=middle",
        "paths.cache=/elsewhere",
        "trainer.num_workers=3",
        "trainer.keep_checkpoints=false",
        "pretrain.share=true",
    ],
)
def test_what_comes_after_pre_training_decides_nothing(override: str) -> None:
    assert key(override) == key()


@pytest.mark.parametrize(
    "override",
    [
        "seed=15",
        "backbone=resnet34",
        "objective.temperature=0.1",
        "pretrain.max_epochs=9",
        "optimizer.lr=0.1",
        "augment.rotate=false",
        "dataset.image_size=96",
        "dataset.crop_by=joints",
        "trainer.precision=bf16-mixed",
        "trainer.compile=true",
        "trainer.lightning.gradient_clip_val=1",
        "trainer=debug",
        "pretrain.positives=mined",
        "pretrain.probe.samples=10",
        "evaluate.batch_size=8",
    ],
)
def test_what_decides_the_weights_or_what_is_measured_on_them(override: str) -> None:
    assert key(override) != key()


def test_what_the_probe_sees_counts_only_with_a_probe() -> None:
    labels = "finetune.label_fraction=0.1"
    assert key("pretrain.probe.samples=10", labels) != key("pretrain.probe.samples=10")


def test_other_data_is_another_encoder() -> None:
    assert key(data=DATA | {"val": "renders-3"}) != key()


def test_weights_count_by_what_is_in_them(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(b"one")
    before = key(f"backbone.weights={file}")
    assert key(f"backbone.weights={file}") == before
    file.write_bytes(b"two")
    assert key(f"backbone.weights={file}") != before


# Modules that pre-training imports and that change no weight.
_OTHER = (
    *("__init__", "config", "heads", "invocation", "loggers", "messages", "model", "pipeline"),
    *("progress", "provenance", "report"),
)
_IMPORTS = """
import sys
from pathlib import Path
import handpose.pipeline.stages.pretrain
from handpose.config.catalogue import Catalogue
from hydra.utils import get_object
for group in ("backbone", "objective", "optimizer", "augment", "dataset"):
    for choice in Catalogue().choices[group]:
        if target := Catalogue().content(group, choice).get("_target_"):
            get_object(target)
root = Path(handpose.__file__).parent
files = [m.__file__ for n, m in sys.modules.items() if n.startswith("handpose")]
print(*(Path(file).relative_to(root).as_posix() for file in files if file))
"""


def test_all_code_that_pre_trains_counts() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, check=True)
    modules = done.stdout.decode().split()
    assert len(modules) > 60
    left = [name for name in modules if not name.startswith(CODE)]
    assert {name.partition("/")[0].removesuffix(".py") for name in left} <= {*_OTHER}


def test_of_the_cells_that_need_one_encoder_the_first_makes_it(tmp_path: Path) -> None:
    own = f"paths.cache={tmp_path}"
    configs = {
        3: composed(own, "head=regression"),
        4: composed(own, "head=heatmap"),
        5: composed(own, "objective=relative"),
        6: composed(own, "objective=none"),
        7: composed(own, "objective=none", "head=regression"),
        8: composed(own, "pretrain.share=false"),
        9: composed(own, "objective=relative", "finetune.label_fraction=0.1"),
    }
    assert encoder_makers(configs) == {4: 3, 9: 5}
    spec = json.dumps(describe(configs[3], dict(DATA)))
    (tmp_path / "encoders" / "0").mkdir(parents=True)
    (tmp_path / "encoders" / "0" / "spec.json").write_text(spec)
    assert encoder_makers(configs) == {4: 3, 9: 5}
    (tmp_path / "encoders" / "1").mkdir()
    (tmp_path / "encoders" / "1" / "spec.json").write_text(spec[: len(spec) // 2])
    (tmp_path / "encoders" / "1" / "encoder.pt").touch()
    assert encoder_makers(configs) == {4: 3, 9: 5}
    (tmp_path / "encoders" / "0" / "encoder.pt").touch()
    assert encoder_makers(configs) == {9: 5}
    settled = spec.replace('"precision": "auto"', '"precision": "bf16-mixed"')
    assert settled != spec
    (tmp_path / "encoders" / "0" / "spec.json").write_text(settled)
    assert encoder_makers(configs) == {9: 5}
    other = settled.replace('"seed": 5', '"seed": 6')
    (tmp_path / "encoders" / "0" / "spec.json").write_text(other)
    assert encoder_makers(configs) == {4: 3, 9: 5}
