"""One run: pre-train, fine-tune, evaluate, report."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, flag_override
from pytorch_lightning.loggers.logger import Logger
from torch.utils.data import default_collate

from handpose.config import check
from handpose.config.renamed import PROVENANCE
from handpose.config.schema import num_processes
from handpose.distributed import collectives
from handpose.distributed.interrupt import Interrupt, interruptible
from handpose.evaluation.evaluation import Evaluation, Results, not_applicable
from handpose.evaluation.summarise import summarise, summary_names
from handpose.invocation import command_line
from handpose.loggers.csv_log import read_curves, read_steps
from handpose.pipeline import parts, run_loggers, trainers
from handpose.pipeline.auto import device_type, settled
from handpose.pipeline.disk_space import check_space
from handpose.pipeline.resume import (
    nothing_to_resume,
    resumable,
    resumes_in_same_directory,
    tell_how_to_train_on,
)
from handpose.pipeline.run_directory import BACKBONE, RESULTS, claim, read_json, write_json
from handpose.pipeline.sessions import Session, recorded
from handpose.pipeline.stages.evaluate import evaluate
from handpose.pipeline.stages.finetune import finetune
from handpose.pipeline.stages.fit import StageContext
from handpose.pipeline.stages.pretrain import pretrain
from handpose.pipeline.stages.splits import Splits, build_splits
from handpose.pipeline.stages.validation_cut import cut_note
from handpose.pipeline.summary import begin_log
from handpose.pipeline.third_party_messages import quieten, told_once
from handpose.progress import checking
from handpose.records import Views
from handpose.report.choices import is_capped
from handpose.report.page import ReportInput, make_figures, write_report
from handpose.report.predictions import images_to_draw
from handpose.report.terminal import NO_HEAD, print_results
from handpose.training.compilation import check_compiler

_log = logging.getLogger(__name__)
_PAIRS_DRAWN = 8


def run(cfg: DictConfig) -> Path:
    """Execute or resume the run of `cfg` in Hydra's output directory; no-op if it is finished.

    Args:
        cfg: from Hydra's main, or from `hydra.compose(..., return_hydra_config=True)` in a
            notebook.

    Returns:
        The run directory.

    Raises:
        ValueError: `cfg` has no run directory.
    """
    cfg = _of_main(cfg)
    run_dir = Path(HydraConfig.get().runtime.output_dir)
    quieten()
    trainers.check_devices(cfg)
    if cfg.trainer.compile:
        check_compiler(device_type(cfg))
    with (
        trainers.joined_processes(cfg),
        _quiet_but_first(),
        told_once(),
        resumable(),
        interruptible(requeues=resumes_in_same_directory(HydraConfig.get())) as interrupt,
        checking(interrupt.check_alone),  # while data is prepared
    ):
        cfg = settled(cfg, run_dir)
        config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
        with claim(run_dir, config):
            results = _results(cfg, config, run_dir, interrupt)
        if collectives.is_first():
            print_results(results, run_dir=run_dir, is_capped=is_capped(config))
            is_model = parts.chosen(cfg.head)
            tell_how_to_train_on(
                model=run_dir if is_model else None,
                encoder=None if is_model else run_dir / BACKBONE,
            )
    return run_dir


def _results(
    cfg: DictConfig, config: dict[str, Any], run_dir: Path, interrupt: Interrupt
) -> Results:
    """Execute the run, or read the results of a finished one."""
    if collectives.decided((run_dir / RESULTS).exists):
        _log.info("%s is finished already; results:", run_dir)
        return read_json(run_dir / RESULTS)
    return _complete(cfg, config, run_dir, interrupt)


def _of_main(cfg: DictConfig) -> DictConfig:
    """Convert a composed configuration to what Hydra's main gives, and check it."""
    if "hydra" in cfg:
        run_dir = str(Path(cfg.hydra.run.dir).absolute())  # the same again for this object
        cfg = cfg.copy()
        with flag_override(cfg, ["struct", "readonly"], False):
            cfg.hydra.runtime.output_dir = run_dir
        HydraConfig.instance().set_config(cfg)
        cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        check(cfg)
        if num_processes(cfg.trainer) > 1:
            raise ValueError(
                "trainer.devices: only `handpose train` and train.py start several processes"
            )
    elif not HydraConfig.initialized():
        raise ValueError(
            "the configuration has no run directory; compose it with "
            'compose("config", overrides=[...], return_hydra_config=True)'
        )
    return cfg


@contextmanager
def _quiet_but_first() -> Iterator[None]:
    """Log everything on rank 0 and only errors on the other ranks."""
    logging.disable(logging.NOTSET if collectives.is_first() else logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _keep_hydra_files(cfg: DictConfig, folder: Path) -> None:
    """Write Hydra's files, which Hydra itself would write before the directory is claimed."""
    folder.mkdir(exist_ok=True)
    hydra = HydraConfig.get()
    OmegaConf.save(cfg, folder / "config.yaml")
    OmegaConf.save(hydra.overrides.task, folder / "overrides.yaml")
    OmegaConf.save(OmegaConf.create({"hydra": hydra}), folder / "hydra.yaml")


def _complete(
    cfg: DictConfig, config: dict[str, Any], run_dir: Path, interrupt: Interrupt
) -> Results:
    """Execute all stages with the loggers of the run; only rank 0 writes."""
    if collectives.is_first():
        _keep_hydra_files(cfg, run_dir / ".hydra")
    with (
        recorded(cfg, run_dir) as session,
        run_loggers.opened(cfg, config, run_dir, session.own) as loggers,
    ):
        return _stages(cfg, config, run_dir, loggers, interrupt, session)


def _stages(
    cfg: DictConfig,
    config: dict[str, Any],
    run_dir: Path,
    loggers: list[Logger],
    interrupt: Interrupt,
    session: Session,
) -> Results:
    """Pre-train, fine-tune, evaluate, report; results.json is last and marks the end."""
    check_space(cfg, run_dir)
    with nothing_to_resume(run_dir):
        splits = build_splits(cfg, run_dir)
    interrupt.check()
    notes = overlap(splits, run_dir)
    run_log = begin_log(cfg, splits, run_dir)
    session.uses("pretrain", splits.views)
    session.uses("finetune", splits.labelled)
    session.uses("evaluate", splits.evaluated_apart)
    session.uses("adapt_norm", splits.unlabelled)
    context = StageContext(cfg, run_dir, splits, loggers, interrupt, run_log, session)
    with run_log.shown():
        backbone, results = pretrain(context)
        run_log.estimate.finish("pretrain")
        interrupt.check()
        evaluation = None
        if splits.labelled:
            model, seconds = finetune(context, backbone)
            run_log.estimate.finish("finetune")
            interrupt.check()
            evaluation, evaluated = evaluate(context, model)
            results = summarise(evaluation) | results | evaluated | seconds
        else:
            results |= not_applicable(summary_names(), NO_HEAD)
    results |= splits.read() | notes
    results["unreadable_pictures"] = len(splits.unreadable.names())
    session.took(results)
    results[PROVENANCE] = session.block(is_over=True)  # type: ignore[assignment]  # no number
    figures: dict[str, bytes] = {}
    if collectives.is_first():
        if cfg.report:
            _log.info("writing the report")
            figures = _report(cfg, config, run_dir, splits, results, evaluation)
        write_json(run_dir / RESULTS, results)
        scored = None if splits.evaluated is None else splits.evaluated.source.whole
        run_loggers.log_outcome(
            loggers, run_dir, results, figures, evaluation=evaluation, source=scored
        )
    collectives.wait()
    return results


def overlap(splits: Splits, run_dir: Path) -> Results:
    """Log that another evaluated dataset has hands that the run trains on, if so.

    Args:
        splits: of the run.
        run_dir: has the record of its cut.

    Returns:
        The note for `results.json`, or nothing.
    """
    found = (cut_note(run_dir, own.source) for own in splits.evaluated_apart.values())
    if note := "; ".join(filter(None, found)):
        _log.warning("evaluate.dataset: %s", note)
        return {"cut_note": note}
    return {}


def _report(
    cfg: DictConfig,
    config: dict[str, Any],
    run_dir: Path,
    splits: Splits,
    results: Results,
    evaluation: Evaluation | None,
) -> dict[str, bytes]:
    """Write report.html and return its figures by name."""
    images = {}
    if evaluation is not None and splits.evaluated is not None:
        images = images_to_draw(evaluation, splits.evaluated.source.whole)
    report = ReportInput(
        config=config,
        command=command_line("train"),
        results=results,
        curves=read_curves(run_dir / "metrics.csv"),
        evaluation=evaluation,
        images=images,
        views=_views(splits),
        steps=read_steps(run_dir / "metrics.csv"),
    )
    figures = make_figures(report)
    write_report(run_dir / "report.html", report, figures)
    return figures


def _views(splits: Splits) -> Views | None:
    """Return a few held-out pairs of the objective's first part; None without pre-training."""
    if not splits.views:
        return None
    val = splits.views["val"]
    pairs = [val[0, index] for index in range(min(_PAIRS_DRAWN, len(val)))]
    return next(iter(default_collate(pairs).values()))
