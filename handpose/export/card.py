"""The model card: what a model is, what it learned from, how good it is, and who may use it."""

from pathlib import Path
from typing import Any, NamedTuple

from handpose.evaluation.evaluation import Results
from handpose.export.agreement import Agreement
from handpose.report.choices import essence, find, key_choices, part_name
from handpose.report.rows import Row, metric_rows, shown
from handpose.skeleton import JOINT_NAMES, REFERENCE_BONES

_STAGES = {"pretrain": "pre-training, without labels", "finetune": "fine-tuning, with labels"}


class Card(NamedTuple):
    """All that the card says."""

    config: dict[str, Any]  # of the run, resolved
    results: Results  # as in results.json
    terms: dict[str, dict[str, str]]  # stage -> dataset -> what its authors allow
    agreement: Agreement
    opset: int


def write_card(path: Path, card: Card) -> None:
    """Writes the card as Markdown."""
    parts = (_title, _choices, _use, _data, _numbers, _limits)
    path.write_text("\n".join("\n".join([*part(card), ""]) for part in parts))


def _title(card: Card) -> list[str]:
    return [f"# {essence(card.config)}", "", "A hand pose model, trained and exported by handpose."]


def _choices(card: Card) -> list[str]:
    rows = key_choices(card.config)
    return ["## How it was made", "", *(f"- {label}: {text}" for label, text in rows.items())]


def _use(card: Card) -> list[str]:
    size = find(card.config, "finetune.dataset.image_size")
    margin = find(card.config, "evaluate.augment.margin")
    bone = find(card.config, "reference_bone")
    start, end = (JOINT_NAMES[joint] for joint in REFERENCE_BONES[bone])
    a, g, r = card.agreement, card.agreement.graph, card.agreement.rounding
    return [
        "## How to call it",
        "",
        f"`model.onnx`, opset {card.opset}, for onnxruntime; B hands at a time, any B.",
        "",
        "| | name | shape | what it is |",
        "|---|---|---|---|",
        f"| in | `image` | (B, 3, {size}, {size}) uint8 | RGB crops, a square of {margin:g} times "
        "the hand's box, not normalised: the graph does that (ImageNet's mean and deviation) |",
        "| in | `K` | (B, 3, 3) float32 | intrinsics of the crop; the identity where unknown |",
        "| out | `uvz` | (B, 21, 3) float32 | u, v in px of the crop (pixel centres are whole "
        "numbers); depth from the wrist in reference bones |",
        "| out | `xyz` | (B, 21, 3) float32 | the same in the camera's frame, in reference bones: "
        "times the bone's length metres. Without `K` of no meaning |",
        "| out | `root_depth` | (B,) float32 | the wrist's depth in `xyz`, reference bones |",
        "",
        f"The reference bone runs from the {start} to the {end}. Joints, in order: "
        f"{', '.join(JOINT_NAMES)}.",
        "All hands are right hands: mirror the crop of a left one, its `K` along (cx' = width - 1 "
        "- cx), and the result back (u' = width - 1 - u, x' = -x).",
        "",
        f"Checked on export: on {a.crops} random crops the graph differs from PyTorch by at most "
        f"{g.px:.1e} px in u and v and {g.mm:.1e} mm in the depth from the wrist, for a hand of "
        f"the mean adult's size; in the camera by {g.camera:.1e} of the distance, and by "
        f"{g.xyz_mm:.1e} mm from the wrist. PyTorch's own rounding is {r.px:.1e} px, "
        f"{r.mm:.1e} mm, {r.camera:.1e} and {r.xyz_mm:.1e} mm.",
    ]


def _data(card: Card) -> list[str]:
    lines = ["## What it learned from, and what that allows", ""]
    for stage, terms in card.terms.items():
        lines += [f"- {_STAGES[stage]}: {name}; terms: {text}" for name, text in terms.items()]
    weights = find(card.config, "backbone.weights")
    if weights == "imagenet":
        lines.append("- the backbone began from ImageNet weights; terms: non-commercial research")
    elif weights:
        lines.append("- the backbone began from a file of weights; its terms are its own")
    return [*lines, "", "The terms of the data may bind whoever uses the model."]


def _numbers(card: Card) -> list[str]:
    dataset = part_name(card.config, "finetune.dataset")
    split = card.results.get("split", find(card.config, "evaluate.split"))
    rows = [row for row in metric_rows(card.results) if row.mean.value is not None]
    return [
        "## How good it is",
        "",
        f"On the {split} split of {dataset}, {card.results.get('n_test')} hands, as the run's "
        "results.json has it.",
        "",
        "| metric | mean | median | constant mean pose | hands | what it is |",
        "|---|---|---|---|---|---|",
        *map(_row, rows),
    ]


def _row(row: Row) -> str:
    cells = (row.mean, row.median, row.mean_pose, row.hands)
    numbers = (shown(cell.value, unit=row.unit) if cell else "" for cell in cells)
    name = f"`{row.mean.key}`"
    return f"| {' | '.join((name, *numbers, f'{row.label}. {row.explanation}'.strip()))} |"


def _limits(card: Card) -> list[str]:
    only = {name for terms in card.terms.values() for name in terms} == {"synthetic"}
    saw = "Its labels are of" if find(card.config, "backbone.weights") else "It saw"
    synthetic = (
        f"- {saw} rendered hands alone: no real skin, sleeves, objects, second hands or cast "
        "shadows. On photographs expect an upright hand in the right place at best."
    )
    return [
        "## What it cannot do",
        "",
        "- It finds no hand: it expects one in the box that it is given, and never says that there "
        "is none.",
        "- Lengths are in proportion to the reference bone; metres need its length.",
        *([synthetic] if only else []),
    ]
