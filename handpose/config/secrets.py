"""Detection of secrets, which are refused before anything is written.

A run stores its overrides and configuration in its directory, the report and W&B. So a secret must
be set in the environment, where its program finds it.
"""

import os
import re
from collections.abc import Mapping

_NAME = r"(?:key|key_?id|token|secret|password|passwd|passphrase|credentials?|pat)"
# A whole name or the end of one: api_key, WANDB_API_KEY, apikey.
_IS_NAME = re.compile(rf"(?:^|[_.-]|api|access|auth){_NAME}$", re.IGNORECASE)
# KEY=VALUE, KEY: VALUE within braces, or the name of an environment variable.
_NAMES = re.compile(r"(?:^|[+~{,\s])(?!oc\.env)([\w.@/-]+)\s*[=:]|oc\.env:\s*[\"']?(\w+)")
_HIDDEN = "[hidden]"
_OWN = "its own variable"
_SHORTEST = 12  # characters of a value that no name or word of a configuration has by chance

# What is seen in a value, whose secret it is, and the variable that its program reads.
_SHAPES: dict[str, tuple[str, str]] = {
    r"(?<![\w/.-])[0-9a-f]{40}(?![\w/.-])|wandb_v1_\w{20,}": ("W&B", "WANDB_API_KEY"),
    r"\bhf_[A-Za-z0-9]{20,}": ("Hugging Face", "HF_TOKEN"),
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})": ("GitHub", "GITHUB_TOKEN"),
    r"\bglpat-[\w-]{20,}": ("GitLab", "GITLAB_TOKEN"),
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b": ("AWS", "AWS_ACCESS_KEY_ID"),
    r"\bAIza[\w-]{30,}": ("Google", "GOOGLE_API_KEY"),
    r"\bxox[abprs]-[\w-]{10,}": ("Slack", "SLACK_TOKEN"),
    r"\bsk-[\w-]{20,}": ("an AI service", "OPENAI_API_KEY"),
    r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}": ("a web service", _OWN),
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----": ("SSH or TLS", "a file of its own"),
    r"://[^/\s:@]+:[^/\s@]+@": ("a server, within an address", _OWN),
}


def argument_problem(argument: str) -> str | None:
    """Return why an override must not be stored, with the secret hidden, or None."""
    shown = hidden(argument.partition("=")[0])
    if problem := value_problem(shown, argument, argument):
        return problem
    for match in _NAMES.finditer(argument):
        name = match[1] or match[2]
        if _IS_NAME.search(name):
            variable = "WANDB_API_KEY" if "wandb" in name.lower() else _OWN
            return _told(f"{shown}: {hidden(name)} names a secret", variable)
    return None


def value_problem(path: str, written: str, value: str) -> str | None:
    """Return why a value of the configuration must not be stored, or None.

    Args:
        path: its key.
        written: the value as typed.
        value: the value with references resolved.
    """
    for name, secret in _environment().items():
        if secret in value or f"oc.env:{name}" in written:
            return _told(f"{path}: holds the value of ${name}", name)
    return _shape_problem(path, value)


def _shape_problem(shown: str, text: str) -> str | None:
    for shape, (owner, variable) in _SHAPES.items():
        if re.search(shape, text):
            return _told(f"{shown}: its value looks like a secret of {owner}", variable)
    return None


def hidden(text: str) -> str:
    """Return a text with secrets hidden, those of the environment included."""
    for secret in _environment().values():
        text = text.replace(secret, _HIDDEN)
    for shape in _SHAPES:
        text = re.sub(shape, _HIDDEN, text)
    return text


def _told(what: str, variable: str) -> str:
    place = f"${variable}" if variable.isupper() else variable
    return (
        f"{what}, and a run keeps its configuration in files, the report and W&B. Leave it out, "
        f"and set {place} in the environment, where its program looks for it"
    )


def _environment(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the secrets of the environment, by name."""
    return {
        name: value
        for name, value in variables.items()
        if _IS_NAME.search(name) and len(value) >= _SHORTEST
    }
