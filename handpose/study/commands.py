"""What train.py is told to make a study's runs."""

from collections.abc import Iterable, Sequence

from handpose.study.definition import Study
from handpose.study.plan import Batch, batches, final_cells, pretraining_cells, tuning_cells


def overrides(study: Study, batch: Batch, extra: Sequence[str] = ()) -> list[str]:
    """What train.py is told for these cells; of a key that is set twice, the last alone.

    Args:
        extra: of every run, above the study's own common ones.
    """
    if batch.stage == "pretrain":
        lines = [*study.common, *study.pretrain_common, *(study.arms[batch.arm] or ()), *extra]
        return _last_of_each([*lines, "head=none", f"seed={_several(batch.seeds)}"])
    settings = study.tuning.candidates[batch.candidate] if study.tuning and batch.candidate else ()
    lines = [
        *(*study.common, *study.finetune_common, *settings, *extra),
        *("objective=none", f"head={_several(batch.heads)}"),
        f"finetune.label_fraction={_several(batch.fractions)}",
        f"seed={_several(batch.seeds)}",
    ]
    if study.arms[batch.arm] is not None:
        lines.append(
            f"backbone.weights={_root(study)}/pretrain/{batch.arm}/seed-${{seed}}/backbone.pt"
        )
    if batch.stage == "tune":
        lines.append("evaluate.split=val")
    return _last_of_each(lines)


def _several(values: Sequence[object]) -> str:
    return ",".join(map(str, values))


def _last_of_each(lines: Iterable[str]) -> list[str]:
    by_key: dict[str, str] = {}
    for line in lines:
        key = line.partition("=")[0].lstrip("+")
        by_key.pop(key, None)
        by_key[key] = line
    return list(by_key.values())


def _root(study: Study) -> str:
    """The study's folder, in Hydra's words."""
    return f"${{paths.runs}}/studies/{study.name}"


def multirun(study: Study, batch: Batch, extra: Sequence[str] = ()) -> list[str]:
    """The arguments of train.py that make these cells in their folders."""
    place = "${hydra.runtime.choices.head}/labels-${finetune.label_fraction}"
    folder, cell = {
        "pretrain": (batch.arm, "seed-${seed}"),
        "tune": (f"{batch.arm}/{batch.candidate}", place),
        "runs": (batch.arm, f"{place}/seed-${{seed}}"),
    }[batch.stage]
    return [
        "-m",
        *overrides(study, batch, extra),
        f"sweep={study.name}",
        f"hydra.sweep.dir={_root(study)}/{batch.stage}/{folder}",
        f"hydra.sweep.subdir={cell}",
    ]


def samples(study: Study, extra: Sequence[str] = ()) -> list[list[str]]:
    """Arguments of train.py that say whether the study could run, before any of it has.

    Every pre-training, head and candidate is in them. The seeds and fractions are not, which are
    judged already; nor are the backbones, which do not exist yet.
    """
    seed, arm = study.seeds[0], next(iter(study.arms))
    starts = [cell for cell in pretraining_cells(study) if cell.seed == seed]
    every = tuning_cells(study) or [cell for cell in final_cells(study) if cell.seed == seed]
    fraction = every[0].fraction
    ends = [cell for cell in every if (cell.arm, cell.fraction) == (arm, fraction)]
    to_come = f"backbone.weights={_root(study)}/"
    return [
        [line for line in multirun(study, batch, extra) if not line.startswith(to_come)]
        for batch in batches(starts + ends)
    ]
