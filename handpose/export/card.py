"""The model card: what a model is, what it learned from, how good it is, and who may use it."""

from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from handpose.evaluation.evaluation import Results
from handpose.export.agreement import Agreement
from handpose.provenance import shareable
from handpose.report.choices import CAPPED, essence, find, is_capped, key_choices, part_name
from handpose.report.origin import origin
from handpose.report.rows import metric_rows, pretext_rows, shown
from handpose.skeleton import JOINT_NAMES, REFERENCE_BONES

_TEMPLATE = Path(__file__).with_name("model_card.md.jinja")


class Graph(NamedTuple):
    """An ONNX file of the model."""

    agreement: Agreement  # with PyTorch
    opset: int  # version of the ONNX operators


class Shared(NamedTuple):
    """A repository of the model's weights."""

    name: str  # "owner/name" on the Hugging Face Hub; empty for a folder
    files: tuple[str, ...]  # the weights files in it


def model_card(
    config: dict[str, Any],
    results: Results,
    terms: dict[str, dict[str, str]],
    *,
    graph: Graph | None = None,
    shared: Shared | None = None,
) -> str:
    """Returns the card as Markdown.

    Args:
        config: the run's configuration, resolved.
        results: content of results.json.
        terms: stage -> dataset -> what its authors allow.
        graph: the ONNX file that the card lies beside; None for none.
        shared: the repository that the card lies in; None for none.
    """
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    bone = REFERENCE_BONES[find(config, "reference_bone")]
    block: Any = results.get("provenance")
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=essence(config),
        choices=key_choices(config),
        graph=graph,
        shared=shared,
        has_head=graph is not None or part_name(config, "head") != "none",
        backbone=part_name(config, "backbone"),
        size=find(config, "finetune.dataset.image_size"),
        margin=f"{find(config, 'evaluate.augment.margin'):g}",
        bone=[JOINT_NAMES[joint] for joint in bone],
        joints=JOINT_NAMES,
        terms=terms,
        weights=find(config, "backbone.weights"),
        split=results.get("split", find(config, "evaluate.split")),
        dataset=results.get("dataset") or part_name(config, "finetune.dataset"),
        n_test=results.get("n_test"),
        rows=[row for row in metric_rows(results) if row.mean.value is not None],
        pretext=pretext_rows(results),
        shown=shown,
        warning=CAPPED if is_capped(config) else "",
        origin=origin(shareable(block) if block else None),
        is_synthetic={name for stage in terms.values() for name in stage} == {"synthetic"},
    )
