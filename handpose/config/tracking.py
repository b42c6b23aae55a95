"""Weights & Biases: its variables and a login, checked before the run and without the network."""

import configparser
import netrc
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omegaconf import DictConfig

from handpose.config.values import found_value

_PREFIX, _KEY = "WANDB_", "WANDB_API_KEY"
_LOGINS = (_KEY, "WANDB_IDENTITY_TOKEN_FILE")
_KEY_LENGTH = 40  # characters, at least
_PUBLIC = "api.wandb.ai"


def wandb_problems(cfg: DictConfig) -> list[str]:
    """Why a run could not log to W&B, where it is to do so."""
    mode = found_value(cfg, "logger.wandb.mode")
    if mode not in ("online", "offline"):
        return []
    if find_spec("wandb") is None:
        return ["logger=wandb: wandb is not installed; run `pip install wandb`, or use logger=csv"]
    given = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
    if mode == "offline":
        given.pop(_KEY, None)  # not used
    problems = [_variable_problem(f"${name}", {name: value}) for name, value in given.items()]
    project = found_value(cfg, "logger.wandb.project")
    problems.append(_variable_problem("logger.wandb.project", {"WANDB_PROJECT": str(project)}))
    found = [problem for problem in problems if problem]
    return found or (_login_problem() if mode == "online" else [])


def _variable_problem(shown: str, variable: dict[str, str]) -> str | None:
    """What W&B says of a variable of the environment when the run starts."""
    import wandb

    ((name, value),) = variable.items()
    if name == _KEY and len(value.strip()) < _KEY_LENGTH:
        return (
            f"{shown}: an API key of W&B has {_KEY_LENGTH} characters or more; set it, or unset it"
        )
    try:
        wandb.Settings().update_from_env_vars(variable)
    except (ValueError, wandb.Error) as error:
        details: Any = getattr(error, "errors", list)()
        reason = details[0]["msg"] if details else str(error)
        return f"{shown}={value!r}: {reason}; give another value, or unset it"
    return None


def _login_problem() -> list[str]:
    """Nothing if W&B is offline by its own settings, or finds a key."""
    import wandb

    settings = wandb.Settings()
    own = _settings_of_files()
    if os.environ.get("WANDB_MODE", own.get("mode", settings.mode)) != "online":
        return []
    server = os.environ.get("WANDB_BASE_URL", own.get("base_url", ""))
    hosts = [urlsplit(server).netloc] if server else [_PUBLIC, urlsplit(settings.base_url).netloc]
    if any(os.environ.get(name) for name in _LOGINS) or _is_in_netrc(hosts):
        return []
    return [
        f"logger=wandb: no login for {hosts[0]} on this machine. Run `wandb login` or set {_KEY}, "
        "or write logger=wandb_offline and send the files later"
    ]


def _settings_of_files() -> dict[str, str]:
    """What W&B's own files set: those of the user, then those of this folder."""
    home = Path(os.environ.get("WANDB_CONFIG_DIR", Path.home() / ".config" / "wandb"))
    folder = Path(os.environ.get("WANDB_DIR", ".")) / "wandb"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read([home / "settings", folder / "settings"])
    except (configparser.Error, OSError, UnicodeDecodeError):
        return {}  # W&B leaves out a file that it cannot read
    return dict(parser["default"]) if parser.has_section("default") else {}


def _is_in_netrc(hosts: list[str]) -> bool:
    files = [
        Path(name).expanduser()
        for name in (os.environ.get("NETRC"), "~/.netrc", "~/_netrc")
        if name
    ]
    file = next((file for file in files if file.is_file()), None)
    try:
        known = netrc.netrc(file) if file else None
    except (netrc.NetrcParseError, OSError):
        return False
    return known is not None and any(known.authenticators(host) for host in hosts)
