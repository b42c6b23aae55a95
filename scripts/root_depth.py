"""`python scripts/root_depth.py [GROUP=CHOICE] [KEY=VALUE] ... [--seeds 5,15,25] [--name NAME]`

Does the refined root depth lie nearer to the truth than the solved one? Runs train.py with
head.root_depth=refined once a seed, in ${paths.runs}/NAME/seed-SEED, and prints the errors of both
on the test split, of one and the same predicted poses. What is finished is not run again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from hydra import compose, initialize_config_dir

from handpose.config import check_command_line
from handpose.config.schema import register

ROOT = Path(__file__).resolve().parents[1]
METRICS = tuple(
    f"root_depth_error_{depth}_{which}mm"
    for which in ("", "median_")
    for depth in ("solved", "refined")
)


def parsed() -> argparse.Namespace:
    """The command line; the overrides are checked by train.py's own rules."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of every run")
    parser.add_argument("--seeds", default="5,15,25", help="5,15,25 unless said otherwise")
    parser.add_argument("--name", default="root_depth", help="folder of the runs")
    return parser.parse_intermixed_args()


def main() -> None:
    """Trains what is missing and prints the table."""
    arguments = parsed()
    overrides = [*arguments.overrides, "head.root_depth=refined"]
    register()
    check_command_line(overrides)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        folder = Path(compose("config", overrides=overrides).paths.runs) / arguments.name
    seeds = arguments.seeds.split(",")
    rows = [_errors(folder / f"seed-{seed}", seed, overrides) for seed in seeds]
    print(f"\nRoot depth error on held-out hands in mm, reference bone granted; {folder}")
    print("| seed | solved | refined | ratio | solved, median | refined, median |")
    print("|---|---|---|---|---|---|")
    means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    for name, row in [*zip(seeds, rows, strict=True), ("mean", means)]:
        solved, refined, *medians = row
        numbers = (solved, refined, refined / solved, *medians)
        print(f"| {name} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")


def _errors(run_dir: Path, seed: str, overrides: list[str]) -> list[float]:
    """METRICS of the run in `run_dir`, which is begun, resumed or left as it is."""
    command = [sys.executable, str(ROOT / "train.py"), *overrides, f"seed={seed}"]
    done = subprocess.run([*command, f"hydra.run.dir={run_dir}"], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    results = json.loads((run_dir / "results.json").read_text())
    if missing := [metric for metric in METRICS if results.get(metric) is None]:
        raise SystemExit(f"{run_dir}: without {missing[0]}: {results.get(f'{missing[0]}_reason')}")
    return [results[metric] for metric in METRICS]


if __name__ == "__main__":
    main()
