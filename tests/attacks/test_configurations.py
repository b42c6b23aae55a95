"""Configurations that name what must not be called: refused, and nothing is called.

Each attack is carried out once without the guard, to show that it is one.
"""

import multiprocessing
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from attacks import harmless
from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.utils import configure_log
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from handpose.config import check_command_line
from handpose.config.catalogue import CONF
from handpose.config.checks.safety import yaml_problem
from handpose.config.schema import register
from handpose.study.planned_runs import load_study

Refused = Callable[..., str]
# What acts although Hydra has a list of its own, with CANARY for the file that it leaves.
ACTING: dict[str, dict[str, Any]] = {
    "builtins.open": {"file": "CANARY", "mode": "w"},
    "io.open": {"file": "CANARY", "mode": "w"},
    "os.mkdir": {"path": "CANARY"},
    "logging.FileHandler": {"filename": "CANARY"},
    "shutil.copy": {"src": "/etc/hostname", "dst": "CANARY"},
    # Ours, or reached through an allowed module.
    "handpose.data.cache.Path.touch": {"self": {"_target_": "pathlib.Path", "_args_": ["CANARY"]}},
    "torch.optim.adam.torch.save": {"obj": 1, "f": "CANARY"},
    "handpose.data.index.label_tables.json.codecs.open": {"filename": "CANARY", "mode": "w"},
}
# What would run, read, delete, load or fetch.
OTHERS = (
    "os.system",
    "posix.system",
    "subprocess.run",
    "subprocess.Popen",
    "builtins.exec",
    "builtins.eval",
    "numpy.save",
    "handpose.pipeline.run_directory.write_json",
    "pathlib.Path.unlink",
    "pathlib.Path",
    "os.remove",
    "shutil.rmtree",
    "urllib.request.urlopen",
    "urllib.request.urlretrieve",
    "socket.create_connection",
    "torch.load",
    "torch.hub.load",
    "torch.hub.load_state_dict_from_url",
    "torch.optim.adam.torch.hub.load",
    "timm.optim.lars.torch.load",
    "timm.create_model",
    "pickle.loads",
    "numpy.load",
    "importlib.import_module",
    "runpy.run_path",
    "builtins.__import__",
    "hydra.utils.instantiate",
    "hydra.utils.get_method",
    "handpose.weights.torch_file.save",
    "handpose.study.multiruns.start_process",
    "handpose.pipeline.parts.make",
    "handpose..os.system",
    "handpose.data.sources.synthetic.Synthetic.__init__",
    "${paths.data}",
    "[os.system]",
    "3",
)
# Every part, and a key of it.
SLOTS = {
    "dataset": "image_size",
    "backbone": "weights",
    "optimizer": "lr",
    "augment": "rotate",
    "objective": "hidden_dim",
    "head": "depth_weight",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register()
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "carried_out"


@pytest.fixture
def refused(canary: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Asserts that a command line is refused soon and without harm; returns what is printed."""

    def run(*arguments: str) -> str:
        with harmless(canary), pytest.raises(SystemExit) as exit_:
            check_command_line(list(arguments))
        assert exit_.value.code == 1
        printed = capsys.readouterr().err
        assert "Traceback" not in printed
        return printed

    return run


def node(target: str, canary: Path) -> dict[str, Any]:
    """What an attacker would write to have `target` called."""
    text = yaml.safe_dump({"_target_": target, **ACTING.get(target, {})})
    return yaml.safe_load(text.replace("CANARY", str(canary)))


def inline(value: Any) -> str:
    """A value as it is written in an override."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(inline(item) for item in value) + "]"
    return '"' + str(value).replace('"', '\\"') + '"'


def experiment(tmp_path: Path, content: dict[str, Any] | str) -> list[str]:
    """A command line with an experiment file of this content."""
    folder = tmp_path / "more" / "experiment"
    folder.mkdir(parents=True)
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    (folder / "evil.yaml").write_text("# @package _global_\n" + text)
    return ["--config-dir", str(folder.parent), "experiment=evil"]


def composed(*arguments: str) -> DictConfig:
    """What Hydra makes of a command line, unchecked."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(arguments), return_hydra_config=True)


@pytest.mark.parametrize("target", ACTING)
def test_the_attacks_are_real(target: str, canary: Path) -> None:
    cfg = composed()
    cfg.optimizer = node(target, canary)
    instantiate(cfg.optimizer, _convert_="all")
    assert canary.exists()


@pytest.mark.parametrize("target", [*ACTING, *OTHERS[::4]])
def test_a_target_on_the_command_line(target: str, canary: Path, refused: Refused) -> None:
    more = [f"++optimizer.{k}={inline(v)}" for k, v in node(target, canary).items() if k[0] != "_"]
    assert "optimizer._target_=" in refused(f"optimizer._target_={target}", *more)


@pytest.mark.parametrize(("slot", "key"), SLOTS.items())
def test_a_target_within_any_part(slot: str, key: str, canary: Path, refused: Refused) -> None:
    evil = inline(node("os.mkdir", canary))
    assert f"{slot}._target_=os.mkdir: only" in refused(f"{slot}._target_=os.mkdir")
    assert f"{slot}.{key}._target_=os.mkdir: only" in refused(f"++{slot}.{key}={evil}")
    listed = refused(f"++{slot}.{key}=[1,[{{a:{evil}}}]]")
    assert f"{slot}.{key}.1.0.a._target_=os.mkdir: only" in listed


def test_targets_in_an_experiment_file(canary: Path, tmp_path: Path, refused: Refused) -> None:
    targets = [*ACTING, *OTHERS]
    nodes = [node(target, canary) for target in targets]
    printed = refused(*experiment(tmp_path, {"augment": {"angle": nodes}}))
    for place in range(len(targets)):
        assert f"augment.angle.{place}._target_=" in printed


def test_a_target_that_a_resolver_makes(canary: Path, tmp_path: Path, refused: Refused) -> None:
    written = inline(node("os.mkdir", canary))
    made = f"optimizer.lr='${{oc.create:{written}}}'"
    instantiate(composed(made).optimizer, _convert_="all")
    assert canary.exists()
    canary.rmdir()
    assert "optimizer.lr._target_=os.mkdir: only" in refused(made)
    content = {"augment": {"angle": f"${{oc.decode:'{written}'}}"}}
    assert "augment.angle._target_=os.mkdir: only" in refused(*experiment(tmp_path, content))


@pytest.mark.parametrize("key", ["hydra.launcher", "hydra.sweeper"])
def test_what_hydra_starts_its_jobs_with(key: str, refused: Refused) -> None:
    argument = f"{key}._target_=builtins.dict"
    assert isinstance(instantiate(OmegaConf.select(composed(argument), key)), dict)
    for mode in ((), ("--multirun", "seed=1,2")):
        assert f"{key}._target_=builtins.dict: only Hydra's own" in refused(*mode, argument)


def test_a_callback_of_hydra(canary: Path, tmp_path: Path, refused: Refused) -> None:
    evil = node("os.mkdir", canary)
    argument = f"+hydra.callbacks.evil={inline(evil)}"
    Callbacks(composed(argument))
    assert canary.exists()
    canary.rmdir()
    message = "hydra.callbacks.evil._target_=os.mkdir: only Hydra's own"
    for mode in ((), ("--multirun", "seed=1,2"), ("--info", "config")):
        assert message in refused(*mode, argument)
    content = {"hydra": {"callbacks": {"evil": evil}}}
    assert message in refused(*experiment(tmp_path, content))


def test_a_log_handler_that_is_called(canary: Path, tmp_path: Path, refused: Refused) -> None:
    handlers = {"evil": {"()": "os.mkdir", "path": str(canary)}}
    content = {"hydra": {"hydra_logging": {"handlers": handlers}}}
    arguments = experiment(tmp_path, content)
    cfg = composed(f"hydra.searchpath=[file://{arguments[1]}]", arguments[2])
    process = multiprocessing.get_context("fork").Process(
        target=configure_log, args=(cfg.hydra.hydra_logging,)
    )
    process.start()
    process.join(30)
    assert canary.exists()
    canary.rmdir()
    assert "handlers.evil.()=os.mkdir: only the handlers" in refused(*arguments)
    stream = refused("hydra.job_logging.handlers.console.stream=ext://antigravity.fly")
    assert "stream=ext://antigravity.fly: only ext://sys.stdout" in stream


@pytest.mark.parametrize("flag", ["--experimental-rerun", "--config-path"])
def test_a_flag_that_loads_before_the_checks(flag: str, tmp_path: Path, refused: Refused) -> None:
    assert "are refused, since" in refused(flag, str(tmp_path / "evil.pickle"))


def laughs(levels: int) -> str:
    """The bomb of a billion laughs: each level repeats the one before nine times."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


BOMBS = {
    "laughs": (laughs(9), "its aliases make more than 10,000 values"),
    "merged laughs": (
        "a: &a {x: 1}\n" + laughs(9) + "\nseed:\n  <<: *a\n  y: *a8\n",
        "its aliases make more than",
    ),
    "itself": ("seed: &a [*a, *a]", "is recursive or undefined"),
    "deep": ("seed: " + "[" * 500 + "]" * 500, "levels deep"),
    "deeper": ("seed: " + "[" * 50_000, "cannot be read"),
    "deep blocks": ("- " * 3000 + "x", "levels deep"),
    "large": ("seed: " + "3" * 2_000_000, "bytes, the limit is"),
    "python tag": ("seed: !!python/object/apply:os.system [touch CANARY]", "would run code"),
    "python name": ("seed: !!python/name:os.system", "would run code"),
    "own tag": ("seed: !evil {a: 1}", "the tag !evil"),
    "no YAML": ("seed: [1, 2", "cannot be read"),
    "binary": ("seed: \x00\x01", "cannot be read"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_in_an_experiment_file(
    name: str, tmp_path: Path, canary: Path, refused: Refused
) -> None:
    text, reason = BOMBS[name]
    printed = refused(*experiment(tmp_path, text.replace("CANARY", str(canary))))
    assert re.search(rf"evil\.yaml: .*{re.escape(reason)}", printed)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_in_a_study(name: str, tmp_path: Path, canary: Path) -> None:
    text, reason = BOMBS[name]
    path = tmp_path / "study.yaml"
    path.write_text(text.replace("CANARY", str(canary)))
    with harmless(canary), pytest.raises(ValueError, match=f"study.yaml: .*{re.escape(reason)}"):
        load_study(str(path), tmp_path)


def test_the_bombs_are_real(tmp_path: Path, canary: Path) -> None:
    """Each level costs nine times the one before, and the tag runs where tags are obeyed."""
    counts = []
    for levels in (2, 3):
        file = tmp_path / f"{levels}.yaml"
        file.write_text(laughs(levels))
        assert yaml_problem(file) is None
        counts.append(str(OmegaConf.to_container(OmegaConf.load(file))).count("lol"))
    assert counts == [9 + 81, 9 + 81 + 729]
    yaml.unsafe_load(BOMBS["python tag"][0].replace("CANARY", str(canary)))
    assert canary.exists()
