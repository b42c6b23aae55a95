"""`python scripts/adapt_norm.py RUN [RUN ...]`

How much of a domain gap lies in BatchNorm's statistics? Evaluates each finished run twice: as it
is, and with running statistics of the images that it is evaluated on, without their labels (AdaBN;
`finetune.adapt_norm` uses those of pre-training). Prints `pa_epe_mm` of both, and for each folder
of runs, such as seeds, their mean with half of its 95 % interval. The runs stay as they are.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from handpose.data.targets_dataset import TargetDataset
from handpose.evaluation.evaluation import NO_MEAN_POSES
from handpose.evaluation.summarise import summarise
from handpose.pipeline.evaluate_run import open_finished
from handpose.pipeline.stages.evaluate import evaluate_on, open_model
from handpose.pipeline.stages.split_predictions import predict_split
from handpose.pipeline.stages.splits import evaluated_split
from handpose.study.statistics import estimate
from handpose.training.adapt_norm import AdaptNorm
from handpose.training.finetuner import Finetuner


def _error(cfg: DictConfig, dataset: TargetDataset, stage: Finetuner) -> float:
    results = summarise(evaluate_on(cfg, dataset, stage, NO_MEAN_POSES))
    return float(results["pa_epe_mm"])  # type: ignore[arg-type]


def errors(run: Path) -> tuple[float, float]:
    """Returns `pa_epe_mm` of a run as it is, and with BatchNorm statistics of the evaluated images.

    Args:
        run: Directory of a finished run.

    Raises:
        ValueError: It is not finished, has no BatchNorm, or its data are missing.
    """
    cfg, _ = open_finished(run)
    dataset, stage = evaluated_split(cfg), open_model(cfg, run)
    before, adapt = _error(cfg, dataset, stage), AdaptNorm()
    mixed = dataset.at(np.random.default_rng(0).permutation(len(dataset)))
    predict_split(cfg, mixed, stage, [adapt])
    if not adapt.norms:
        raise ValueError(f"{run}: its model has no BatchNorm")
    return before, _error(cfg, dataset, stage)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    options = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    of_folder: dict[Path, list[tuple[float, float]]] = {}
    for run in options.runs:
        try:
            found = errors(run)
        except ValueError as error:
            parser.error(str(error))
        of_folder.setdefault(run.parent, []).append(found)
        print(f"{run}: {found[0]:.2f} mm, adapted {found[1]:.2f} mm", flush=True)
    for folder, both in of_folder.items():
        if len(both) > 1:
            before, after = (_shown(values) for values in zip(*both, strict=True))
            print(f"{folder}, {len(both)} runs: {before} mm, adapted {after} mm")


def _shown(values: Sequence[float]) -> str:
    of_all = estimate(values)
    return f"{of_all.mean:.2f} ± {of_all.half or 0:.2f}"


if __name__ == "__main__":
    main()
