"""Open a page on this machine: what the augmentations do, and the results of finished runs.

Uses the data that train.py would use with the same overrides. Needs the extra `explore`:
pip install "handpose[explore]", or pip install -e ".[explore]" in a clone.
"""

import argparse
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from handpose.config import check_command_line
from handpose.config.checks.overrides import path_argument
from handpose.config.composer import compose_config
from handpose.config.errors import ends_with_message
from handpose.config.schema import register

if TYPE_CHECKING:
    from handpose.augment.settings import Augmentation


def main(argv: list[str] | None = None) -> None:
    """Refuses a wrong command line as train.py does, then serves the page."""
    arguments = _arguments(argv)
    register()
    check_command_line(arguments.overrides)
    if find_spec("gradio") is None:
        raise SystemExit('The page needs Gradio: pip install "handpose[explore]"')
    cfg = compose_config(*arguments.overrides)
    runs = arguments.runs or Path(cfg.paths.runs)
    if arguments.runs is None:
        runs.mkdir(parents=True, exist_ok=True)  # train.py would make it
    with ends_with_message():
        _serve(cfg, runs, arguments.host, arguments.port)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("overrides", nargs="*", metavar="KEY=VALUE", help="as for train.py")
    add("--runs", type=path_argument, metavar="DIR", help="folder of runs (default: paths.runs)")
    add("--host", default="127.0.0.1", help="0.0.0.0 opens the page to the network, no password")
    add("--port", type=int, default=7860, help="0 takes a free one")
    return parser.parse_intermixed_args(argv)


def dataset_name(cfg: DictConfig) -> str:
    """Returns the choice of `dataset=` for pre-training."""
    choices = cfg.hydra.runtime.choices
    return choices.get("dataset@pretrain.dataset") or choices["dataset"]


def augmentations(cfg: DictConfig) -> "dict[str, Augmentation]":
    """Returns those of pre-training by the part of the objective, or under PLAIN."""
    from handpose.explore.augmentations_tab import PLAIN
    from handpose.pipeline.parts import build_augmentation, build_view_augmentations

    if "parts" in cfg.objective:
        return build_view_augmentations(cfg)
    return {PLAIN: build_augmentation(cfg.pretrain.augment)}


def _serve(cfg: DictConfig, runs: Path, host: str, port: int) -> None:
    from handpose.data.base import HandDataset, Split
    from handpose.explore.augmentations_tab import Source
    from handpose.explore.finished_runs import Evaluator
    from handpose.explore.page import look, make_page
    from handpose.explore.server import bind, is_loopback, make_app, serve
    from handpose.pipeline.parts import build_caps, build_dataset

    @cache
    def open_split(split: Split) -> HandDataset:
        return build_dataset(cfg.pretrain.dataset, split, build_caps(cfg))

    source = Source(dataset_name(cfg), open_split, augmentations(cfg), cfg.seed)
    folders = [Path(cfg.paths.data), Path(cfg.paths.cache), runs]
    folders += [Path(cfg.dataset.root)] if cfg.dataset.get("root") else []
    places = [f"paths.{key}='{Path(cfg.paths[key]).absolute()}'" for key in ("data", "cache")]
    evaluate = Evaluator(runs, folders, places)
    listener = bind(host, port)
    app = make_app(make_page(source, runs=runs, evaluate=evaluate), host=host, **look())
    shown = f"[{host}]" if ":" in host else host
    if not is_loopback(host):
        print(f"Anyone who reaches {host} can use the page: it has no password.", flush=True)
    print(f"http://{shown}:{listener.getsockname()[1]} (Ctrl-C stops)", flush=True)
    serve(app, listener)
