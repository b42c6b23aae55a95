"""The workspace of W&B: every name is one that runs log, and its form is the client's own."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import handpose
from handpose.dashboard.command import main
from handpose.dashboard.specification import Panel, as_text, specification
from handpose.evaluation.embedding_health import HEALTH
from handpose.evaluation.summarise import main_names, summary_names
from handpose.evaluation.training_metrics import TRAINING_METRICS
from handpose.loggers.metric_axes import EPOCH_AXIS, STEP_AXIS
from handpose.training.meters import STEP

FOUND = specification("Hands")
PACKAGE = Path(handpose.__file__).parent
DECLARED = {metric.name for metric in TRAINING_METRICS}


def panels(*kinds: str) -> list[Panel]:
    return [p for section in FOUND.sections for p in section.panels if p.kind in kinds]


def test_each_curve_is_declared_and_has_its_own_axis() -> None:
    for panel in panels("curve"):
        for name in panel.names:
            stage, _, own = name.partition("/")
            assert stage in ("pretrain", "finetune")
            plain = re.sub("^(train|val)_", "", own)
            assert plain in DECLARED | {"pa_epe_mm"}, name
            assert panel.x == (STEP_AXIS if own.startswith(STEP) else EPOCH_AXIS), name


def test_each_bar_and_point_is_a_number_of_results_json() -> None:
    for panel in panels("bars", "scatter"):
        assert set(panel.names) <= set(summary_names()), panel
        assert len(panel.names) == 1


def test_each_figure_is_one_of_the_report() -> None:
    template = (PACKAGE / "report/templates/report.html.jinja").read_text()
    shown = {name for panel in panels("images") for name in panel.names}
    figures = {name.removeprefix("report/") for name in shown if name.startswith("report/")}
    assert len(figures) == 7
    for name in figures:
        assert f'("{name}",' in template, name


@pytest.mark.parametrize("name", ["evaluate/worst_samples", '"predictions"', '"choices"'])
def test_tables_images_and_entries_are_those_of_the_logger(name: str) -> None:
    folders = ("loggers", "pipeline")
    sources = [path for folder in folders for path in (PACKAGE / folder).rglob("*.py")]
    assert any(name in path.read_text() for path in sources)


def test_it_answers_what_people_ask() -> None:
    names = {name for section in FOUND.sections for p in section.panels for name in p.names}
    assert {f"pretrain/val_{name}" for name in HEALTH} <= names
    assert set(main_names()) <= names
    assert "auc_pa_50mm" in names
    assert [section.name for section in FOUND.sections][:3] == [
        "Objectives side by side",
        "Label fractions",
        "Health of the representation",
    ]
    assert {p.groupby for p in panels("bars")} == {"choices.objective"}
    assert {p.x for p in panels("scatter")} == {"choices.label_fraction"}
    assert FOUND.better == "lower"


def test_a_dry_run_prints_every_panel(capsys: pytest.CaptureFixture) -> None:
    main(["alice/hands", "--dry-run", "--name", "Hands"])
    out = capsys.readouterr().out
    assert out.rstrip() == as_text(FOUND)
    for section in FOUND.sections:
        assert section.name in out
        assert all(name in out for panel in section.panels for name in panel.names)


@pytest.mark.parametrize("place", ["hands", "a/b/c", "alice/", "a b/c"])
def test_a_wrong_project_is_told_the_form(place: str) -> None:
    with pytest.raises(SystemExit, match="write ENTITY/PROJECT"):
        main([place, "--dry-run"])


@pytest.fixture
def built() -> Any:
    pytest.importorskip("wandb_workspaces")
    from handpose.dashboard.workspace import build_workspace

    return build_workspace(FOUND, entity="alice", project="hands")


def test_the_client_takes_it_and_gives_it_back(built: Any) -> None:
    model = built._to_model()  # what it would send
    text = model.model_dump_json(by_alias=True)
    for section in FOUND.sections:
        assert section.name in text
        assert all(name in text for panel in section.panels for name in panel.names)
    assert '"choices.value.objective"' in text
    assert "choices.value.label_fraction" in text
    again = type(built)._from_model(model)
    assert [own.name for own in again.sections] == [own.name for own in FOUND.sections]
    for own, section in zip(again.sections, FOUND.sections, strict=True):
        assert len(own.panels) == len(section.panels)
    first = again.sections[0].panels[0]
    assert (first.groupby_aggfunc, first.groupby_rangefunc) == ("mean", "stddev")


def test_it_is_sent_by_the_clients_own_method(
    built: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    import wandb_workspaces.workspaces as ws

    sent: list[Any] = []
    assert list(inspect.signature(ws.Workspace.save).parameters) == ["self"]
    url = "https://wandb.ai/alice/hands?nw=1"
    monkeypatch.setattr(
        ws.Workspace, "save", lambda own: sent.append(own) or SimpleNamespace(url=url)
    )
    main(["alice/hands"])
    assert capsys.readouterr().out.strip() == url
    assert (sent[0].entity, sent[0].project, sent[0].name) == ("alice", "hands", "handpose")


def test_a_failure_says_what_to_do(built: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb
    import wandb_workspaces.workspaces as ws

    def fail(own: Any) -> None:
        raise wandb.Error("permission denied")

    monkeypatch.setattr(ws.Workspace, "save", fail)
    with pytest.raises(SystemExit, match=r"alice/hands: .*permission denied.*wandb login"):
        main(["alice/hands"])


def test_without_the_extra_the_refusal_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"handpose\[dashboard\]"):
        main(["alice/hands"])
