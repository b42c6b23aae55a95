"""The scripts do what their first line says."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_contact_sheet_draws_the_joints(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets = []
    for options in (["--plain"], []):
        out = tmp_path / f"sheet{len(options)}.png"
        hands = ["dataset.num_test=6", "dataset.render_size=48", f"paths.cache={cache}"]
        arguments = ["contact_sheet.py", str(out), *options, "--count", "6", *hands]
        monkeypatch.setattr(sys, "argv", arguments)
        runpy.run_path(str(SCRIPTS / "contact_sheet.py"), run_name="__main__")
        sheets.append(cv2.imread(str(out)))
    plain, drawn = sheets
    assert plain.shape == drawn.shape == (2 * 256, 4 * 256, 3)
    assert (plain[256:, 512:] == 255).all()  # two places are left over
    changed = np.abs(plain.astype(int) - drawn).max(2) > 40
    assert 0.002 < changed.mean() < 0.3
