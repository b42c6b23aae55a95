"""`python scripts/ablate_lab_to_wild.py budget|method [OVERRIDE ...]`

Runs around the study lab_to_wild, with one seed, on the validation split of the wild domain:

- `budget`: what more pairs of pre-training give, each number with a schedule of its own: the probe
  on `lab` (finetune.dataset) and the error on `wild` after fine-tuning.
- `method`: `relative` as tuned, with one setting changed (`latent keypoints` also starts the head
  from their decoder); `contrastive` as tuned; `hybrid` untuned, with the batch size and learning
  rate of `relative`. Mined pairs use the true poses of the unlabelled hands, so they are a bound.

Prints a table. The same command resumes. Results: runs/ablate/. OVERRIDE is for all runs; a folder
with other settings is refused.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from handpose.study.command import DEFINITIONS
from handpose.study.planned_runs import load_study

RUNS = Path("runs") / "ablate"
TRAIN = Path(__file__).resolve().parents[1] / "train.py"
SEED = 1005  # the one of the trials; no counted run has it
STUDY: dict[str, Any] = load_study("lab_to_wild", DEFINITIONS)
ARMS: dict[str, list[str]] = STUDY["pretrain"]["arms"]
RELATIVE = ARMS["relative"]
SHARED = "pretrain.share=true"  # runs of one pre-training train it once
# Name -> overrides behind those of the study.
VARIANTS: dict[str, dict[str, Iterable[str]]] = {
    "budget": {
        f"{arm}, {10 * epochs}k pairs": [
            *ARMS[arm],
            f"pretrain.max_epochs={epochs}",
            f"pretrain.warmup_epochs={epochs / 10}",
            "pretrain.probe.samples=500",
            f"pretrain.probe.every_n_epochs={epochs}",
        ]
        for epochs in (4, 8, 16, 32)
        for arm in ("relative", "contrastive")
    },
    "method": {
        "relative": [*RELATIVE, SHARED],
        "layer decay 0.75": [*RELATIVE, SHARED, "finetune.layer_decay=0.75"],
        "half the learning rate": [*RELATIVE, SHARED, "finetune.optimizer.lr=0.003735"],
        "no average of weights": [*RELATIVE, SHARED, "finetune.average_decay=null"],
        "twice the crops": [*RELATIVE, SHARED, "finetune.max_epochs=30"],
        "latent keypoints": [*RELATIVE, "objective.num_keypoints=32"],
        "batch 256": [*RELATIVE, "pretrain.batch_size=256"],
        "hybrid": [
            "objective=hybrid",
            *(line for line in RELATIVE if line.startswith("pretrain.")),
        ],
        "contrastive": ARMS["contrastive"],
        "contrastive, mined by the true pose": [*ARMS["contrastive"], "pretrain.positives=mined"],
    },
}


def run(kind: str, name: str, overrides: Iterable[str]) -> dict[str, float]:
    """Trains or, if it is finished, checks its settings; returns `pa_epe_mm` and the last probe.

    Raises:
        subprocess.CalledProcessError: the run failed; its log is above.
    """
    folder = RUNS / kind / name.replace(", ", "_").replace(" ", "-")
    every = [*STUDY["common"], *STUDY["pretrain"]["common"], f"seed={SEED}"]
    every += ["evaluate.split=val", *overrides, f"hydra.run.dir={folder}"]
    subprocess.run([sys.executable, str(TRAIN), *every], check=True)
    found = {"pa_epe_mm": json.loads((folder / "results.json").read_text())["pa_epe_mm"]}
    with (folder / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            if row["name"].endswith("/probe_pa_epe_mm"):
                found["probe"] = float(row["value"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=VARIANTS)
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE")
    options = parser.parse_args()
    rows = []
    for name, own in VARIANTS[options.kind].items():
        found = run(options.kind, name, [*own, *options.overrides])
        probe = f"{found['probe']:.2f}" if "probe" in found else ""
        rows.append(f"| {name} | {probe} | {found['pa_epe_mm']:.2f} |")
    print("| run | probe on lab, mm | `pa_epe_mm` on wild |\n|---|---:|---:|", *rows, sep="\n")


if __name__ == "__main__":
    main()
