"""`import handpose`: fast, and every public name is there."""

import subprocess
import sys
from pathlib import Path

import handpose

ROOT = Path(__file__).resolve().parents[1]


def test_every_name_can_be_imported() -> None:
    assert {"HandPose", "run", "Synthetic", "ResNet", "Relative", "Augmentation"} <= set(
        handpose.__all__
    )
    for name in handpose.__all__:
        assert getattr(handpose, name) is not None


def test_the_package_alone_imports_nothing_heavy() -> None:
    code = (
        "import sys, handpose; "
        "found = {'torch', 'pytorch_lightning', 'hydra', 'numpy'} & {*sys.modules}; "
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
