"""The model card: what a model is, what it learned from, how good it is, and who may use it."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from handpose.evaluation.evaluation import Results
from handpose.export.agreement import Agreement
from handpose.report.choices import essence, find, key_choices, part_name
from handpose.report.rows import metric_rows, shown
from handpose.skeleton import JOINT_NAMES, REFERENCE_BONES

_TEMPLATE = Path(__file__).with_name("model_card.md.jinja")


def model_card(
    config: dict[str, Any],
    results: Results,
    terms: dict[str, dict[str, str]],
    *,
    agreement: Agreement,
    opset: int,
) -> str:
    """Returns the card as Markdown.

    Args:
        config: the run's configuration, resolved.
        results: content of results.json.
        terms: stage -> dataset -> what its authors allow.
        agreement: how well the graph agrees with PyTorch.
        opset: version of the ONNX operators.
    """
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    bone = REFERENCE_BONES[find(config, "reference_bone")]
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=essence(config),
        choices=key_choices(config),
        opset=opset,
        size=find(config, "finetune.dataset.image_size"),
        margin=f"{find(config, 'evaluate.augment.margin'):g}",
        bone=[JOINT_NAMES[joint] for joint in bone],
        joints=JOINT_NAMES,
        agreement=agreement,
        terms=terms,
        weights=find(config, "backbone.weights"),
        split=results.get("split", find(config, "evaluate.split")),
        dataset=part_name(config, "finetune.dataset"),
        n_test=results.get("n_test"),
        rows=[row for row in metric_rows(results) if row.mean.value is not None],
        shown=shown,
        is_synthetic={name for stage in terms.values() for name in stage} == {"synthetic"},
    )
