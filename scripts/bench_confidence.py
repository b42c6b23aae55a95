"""`python scripts/bench_confidence.py RUN [--raw] [--images 500] [--json OUT.json]`

Measures the confidence of a run that was fine-tuned on synthetic hands: how well it is calibrated,
how much smaller the error of its more confident half is, and whether images without a hand come
out below images with one. Backdrops and noise are drawn with other seeds than the calibration's.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from handpose.config.checks.overrides import path_argument
from handpose.config.schema import register
from handpose.config.stored import check_evaluation
from handpose.data.synthetic.backdrop import paint_backdrop
from handpose.evaluation.evaluation import NO_MEAN_POSES
from handpose.evaluation.summarise import summarise
from handpose.model import PoseModel
from handpose.pipeline.run_directory import finished_config
from handpose.pipeline.stages.evaluate import evaluate_on, open_model
from handpose.pipeline.stages.splits import labelled_split
from handpose.pipeline.third_party_messages import quieten

METRICS = ("confidence_ece", "hand_confidence_ece", "confident_half_error_ratio")
KINDS = ("backdrop", "noise", "blurred noise")
_SEED = 20_000
_BATCH = 100


def images_without_a_hand(kind: str, count: int, size: int) -> Iterator[np.ndarray]:
    """Yields images (size, size, 3) uint8."""
    for index in range(count):
        rng = np.random.default_rng((_SEED, KINDS.index(kind), index))
        if kind == "backdrop":
            yield paint_backdrop(rng, size).astype(np.uint8)
            continue
        noise = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        blur = size * rng.uniform(0.01, 0.1)
        yield noise if kind == "noise" else cv2.GaussianBlur(noise, (0, 0), blur)


@torch.no_grad()
def hand_confidences(model: PoseModel, kind: str, count: int, size: int) -> Tensor:
    """Returns the confidence (count,) that the model has in images of a kind."""
    model.eval()
    images = torch.from_numpy(np.stack(list(images_without_a_hand(kind, count, size))))
    found = [
        model(batch, torch.eye(3).expand(len(batch), 3, 3)).hand_confidence
        for batch in images.permute(0, 3, 1, 2).split(_BATCH)
    ]
    return torch.cat(found).double()


def measure(
    run_dir: Path, count: int, *, is_raw: bool = False
) -> dict[str, float | int | str | None]:
    """Returns the metrics of the test split, and the shares below its 5th percentile.

    Args:
        run_dir: of a finished run.
        count: images without a hand, of each kind.
        is_raw: whether the confidence is the head's own, without calibration.
    """
    register()
    cfg = check_evaluation(finished_config(run_dir), [])
    hands = labelled_split(cfg, cfg.evaluate.split)
    stage = open_model(cfg, run_dir)
    if is_raw:
        stage.model.calibration, stage.model.confidence_note = None, "not calibrated"
    evaluation = evaluate_on(cfg, hands, stage, NO_MEAN_POSES)
    everything = summarise(evaluation)
    results = {name: everything[name] for name in METRICS}
    results["note"] = stage.model.confidence_note
    lowest = evaluation.hand_confidence.quantile(0.05)
    results["hands_5th_percentile"] = float(lowest)
    results["hands_median"] = float(evaluation.hand_confidence.median())
    for kind in KINDS:
        found = hand_confidences(stage.model, kind, count, hands.source.image_size)
        results[f"{kind}, share below the 5th percentile"] = float((found < lowest).double().mean())
        results[f"{kind}, median"] = float(found.median())
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=path_argument, metavar="RUN")
    parser.add_argument("--raw", action="store_true", help="the head's own, without calibration")
    parser.add_argument("--images", type=int, default=500, help="without a hand, of each kind")
    parser.add_argument("--json", type=path_argument, help="write the numbers here too")
    arguments = parser.parse_args()
    quieten()
    results = measure(arguments.run, arguments.images, is_raw=arguments.raw)
    for name, value in results.items():
        print(f"{name:48}", f"{value:.3f}" if isinstance(value, float) else value)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
