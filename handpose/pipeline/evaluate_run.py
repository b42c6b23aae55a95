"""Open a finished run and evaluate its model on any split of its own or another dataset."""

import logging
import time
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from handpose.config.renamed import PROVENANCE
from handpose.config.schema import register
from handpose.config.stored import check_model
from handpose.data.base import MissingSplitError
from handpose.data.targets_dataset import TargetDataset
from handpose.evaluation.evaluation import NO_MEAN_POSES, Evaluation, MeanPoses, Results
from handpose.evaluation.submission import check_submission, write_submission
from handpose.evaluation.summarise import summarise_passes
from handpose.invocation import command_line
from handpose.model import PoseModel
from handpose.pipeline.run_directory import CONFIG, RunRefused, finished_config, write_json
from handpose.pipeline.sessions import Session, describe_process
from handpose.pipeline.stages.evaluate import evaluate_on, mean_poses, open_model, second_pass
from handpose.pipeline.stages.splits import evaluated_split, labelled_split
from handpose.pipeline.stages.validation_cut import cut_note
from handpose.progress import SECONDS
from handpose.report.page import ReportInput, make_figures, write_report
from handpose.report.predictions import images_to_draw
from handpose.training.run_log import RunLog
from handpose.training.stage_log import StageLog
from handpose.training.step_meter import StepMeter

_log = logging.getLogger(__name__)


def open_finished(run_dir: Path) -> tuple[DictConfig, PoseModel]:
    """Load the configuration and the model of a finished run; its dataset is not needed.

    Raises:
        ValueError: the run is missing, unfinished or corrupt, or its configuration names a class
            that must not be built.
    """
    register()
    try:
        cfg = check_model(finished_config(run_dir))
    except RunRefused as refusal:
        raise ValueError(str(refusal)) from None
    except ValueError as error:
        raise ValueError(f"{run_dir / CONFIG}: {error}") from None
    return cfg, open_model(cfg, run_dir).model


def evaluate_finished(
    cfg: DictConfig,
    run_dir: Path,
    *,
    passes: int = 1,
    submission: Path | None = None,
    any_length: bool = False,
) -> tuple[Results, Evaluation, TargetDataset]:
    """Evaluate the model of `run_dir` on the split `cfg.evaluate.split` of its evaluated dataset.

    Args:
        cfg: configuration of the evaluation (see `handpose.config.stored`).
        run_dir: run directory, only read.
        passes: 1, or 2 to evaluate again on crops about the joints that the first pass predicted.
        submission: file for a dataset's server to write from the last pass; None for no file.
        any_length: whether that file may differ in length from the official one.

    Returns:
        The results, the evaluation of the last pass, and the evaluated dataset.

    Raises:
        ValueError: the dataset or the model is missing or malformed, or no submission is possible.
    """
    start = time.monotonic()
    session = Session(describe_process(cfg, command_line("evaluate")), {}, True)
    dataset = evaluated_split(cfg)
    if submission is not None:
        check_submission(submission, dataset.source, any_length=any_length)
    stage, mean = open_model(cfg, run_dir), _mean_poses(cfg)
    run_log = RunLog({"evaluate": float(passes * len(dataset))}, every_seconds=SECONDS)
    watch = [meter := StepMeter(), StageLog(run_log, "evaluate")]
    with run_log.shown():
        evaluations = [evaluate_on(cfg, dataset, stage, mean, watch)]
        if passes == 2:
            again = second_pass(dataset, evaluations[0])
            evaluations.append(evaluate_on(cfg, again, stage, mean, watch))
    if submission is not None:
        write_submission(submission, evaluations[-1], dataset=dataset.source.name)
    results = summarise_passes(evaluations) | {
        "evaluate_seconds": time.monotonic() - start,
        **meter.results("evaluate"),
        "dataset": dataset.source.name,
        "split": dataset.source.split,
        "passes": passes,
        "pictures_of_pass": passes,
    }
    session.uses("evaluate", {cfg.evaluate.split: dataset})
    session.took(results)
    results[PROVENANCE] = session.block(is_over=True)  # type: ignore[assignment]  # no number
    return results | _notes(stage.model, run_dir, dataset), evaluations[-1], dataset


def _notes(model: PoseModel, run_dir: Path, dataset: TargetDataset) -> Results:
    """Return what the results should not be read without, and warn of another validation cut."""
    notes: Results = {}
    if model.confidence_note:
        notes["confidence_note"] = model.confidence_note
    if note := cut_note(run_dir, dataset.source):
        _log.warning(note)
        notes["cut_note"] = note
    return notes


def _mean_poses(cfg: DictConfig) -> MeanPoses:
    """Mean poses of the training split of `cfg.finetune.dataset`: the labelled part, and all."""
    try:
        return mean_poses(labelled_split(cfg, "train"))
    except MissingSplitError:
        return NO_MEAN_POSES


def write_evaluation(
    to: Path,
    results: Results,
    evaluation: Evaluation,
    dataset: TargetDataset,
    *,
    config: dict[str, Any],
    command: str,
) -> Path:
    """Write results, images and report of an evaluation; return their folder, `to`/<dataset>.

    Args:
        to: parent folder; created if missing.
        results: from `evaluate_finished`.
        evaluation: from `evaluate_finished`.
        dataset: from `evaluate_finished`.
        config: configuration of the run.
        command: command line of the evaluation.
    """
    name, split = dataset.source.name, dataset.source.split
    name += "" if split == "test" else f"-{split}"
    folder = to / name
    folder.mkdir(parents=True, exist_ok=True)
    images = images_to_draw(evaluation, dataset.source.whole)
    report = ReportInput(config, command, results, {}, evaluation, images, None, evaluated_on=name)
    figures = make_figures(report)
    for figure, png in figures.items():
        (folder / f"{figure}.png").write_bytes(png)
    write_report(folder / "report.html", report, figures)
    write_json(folder / f"evaluation-{name}.json", results)
    return folder
