"""Checks of the loggers: installed packages, W&B's variables, and a W&B login."""

import configparser
import netrc
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omegaconf import DictConfig

from handpose.config.content import found_value
from handpose.loggers.wandb_client import import_wandb

_KEY, _KEY_LENGTH = "WANDB_API_KEY", 40  # characters, at least


def logger_problems(cfg: DictConfig) -> list[str]:
    """Return why a chosen logger would fail, checked without the network."""
    return _tensorboard_problems(cfg) + wandb_problems(cfg)


def _tensorboard_problems(cfg: DictConfig) -> list[str]:
    if found_value(cfg, "logger.tensorboard") is None or find_spec("tensorboard") is not None:
        return []
    return [
        "logger=tensorboard: tensorboard is not installed; run "
        '`pip install "handpose[tensorboard]"` (in a clone: `pip install -e ".[tensorboard]"`), '
        "or use logger=csv"
    ]


def wandb_problems(cfg: DictConfig) -> list[str]:
    """Return why W&B logging would fail, checked without the network."""
    mode = found_value(cfg, "logger.wandb.mode")
    if mode not in ("online", "offline"):
        return []
    if find_spec("wandb") is None:
        return ["logger=wandb: wandb is not installed; run `pip install wandb`, or use logger=csv"]
    given = {f"${name}": (name, v) for name, v in os.environ.items() if name.startswith("WANDB_")}
    if mode == "offline":
        given.pop(f"${_KEY}", None)  # not used
    project = str(found_value(cfg, "logger.wandb.project"))
    given["logger.wandb.project"] = ("WANDB_PROJECT", project)
    problems = [_variable_problem(shown, *variable) for shown, variable in given.items()]
    found = [problem for problem in problems if problem]
    return found or (_login_problem() if mode == "online" else [])


def _variable_problem(shown: str, name: str, value: str) -> str | None:
    """Return why W&B would refuse an environment variable."""
    wandb = import_wandb()
    if name == _KEY and len(value.strip()) < _KEY_LENGTH:
        return f"{shown}: an API key of W&B has {_KEY_LENGTH} characters or more; set or unset it"
    try:
        wandb.Settings().update_from_env_vars({name: value})
    except (ValueError, wandb.Error) as error:
        details: Any = getattr(error, "errors", list)()
        reason = details[0]["msg"] if details else str(error)
        return f"{shown}={value!r}: {reason}; set another value, or unset it"
    return None


def _login_problem() -> list[str]:
    """Return why W&B has no login here, or None if it is offline or has a key."""
    wandb = import_wandb()
    settings, own = wandb.Settings(), _settings_of_files()
    if os.environ.get("WANDB_MODE", own.get("mode", settings.mode)) != "online":
        return []
    server = os.environ.get("WANDB_BASE_URL", own.get("base_url", ""))
    hosts = [urlsplit(url).netloc for url in ([server] if server else [settings.base_url])]
    hosts = hosts if server else ["api.wandb.ai", *hosts]
    if any(os.environ.get(name) for name in (_KEY, "WANDB_IDENTITY_TOKEN_FILE")) or _has_key(hosts):
        return []
    return [
        f"logger=wandb: no login for {hosts[0]} on this machine. Run `wandb login` or set {_KEY}, "
        "or write logger=wandb_offline and upload the files later"
    ]


def _settings_of_files() -> dict[str, str]:
    """Return the settings in W&B's files: the user's, then this folder's."""
    home = Path(os.environ.get("WANDB_CONFIG_DIR", Path.home() / ".config" / "wandb"))
    folder = Path(os.environ.get("WANDB_DIR", ".")) / "wandb"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read([home / "settings", folder / "settings"])
    except (configparser.Error, OSError, UnicodeDecodeError):
        return {}  # W&B ignores a file that it cannot read
    return dict(parser["default"]) if parser.has_section("default") else {}


def _has_key(hosts: Sequence[str]) -> bool:
    """Return whether the user's netrc has a login for one of the hosts."""
    names = [os.environ.get("NETRC"), "~/.netrc", "~/_netrc"]
    files = [Path(name).expanduser() for name in names if name]
    file = next((file for file in files if file.is_file()), None)
    try:
        known = netrc.netrc(file) if file else None
    except (netrc.NetrcParseError, OSError):
        return False
    return known is not None and any(known.authenticators(host) for host in hosts)
