"""Errors of the Hugging Face Hub in plain words."""

from collections.abc import Iterator
from contextlib import contextmanager

from handpose.messages import first_line

_LOGIN = (
    "Log in with `hf auth login`, or set $HF_TOKEN to a token of huggingface.co/settings/tokens"
)
# Packages whose errors mean that the Hub could not be reached.
_NETWORK = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "ssl", "socket")
_UNAUTHORISED, _FORBIDDEN = 401, 403


@contextmanager
def plain_errors(name: str) -> Iterator[None]:
    """Turns errors of huggingface_hub into ValueErrors that say what to do.

    Args:
        name: of the repository, for the message.
    """
    try:
        yield
    except ValueError as error:
        if type(error).__module__.partition(".")[0] == "huggingface_hub":
            raise ValueError(f"{name}: {first_line(error)}") from None
        raise
    except Exception as error:
        if (advice := _advice(error)) is None:
            raise
        raise ValueError(f"{name}: {advice}") from None


def _advice(error: Exception) -> str | None:
    """Returns what an error of the Hub means and what to do; None for another error."""
    names = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if "OfflineModeIsEnabled" in names:
        return "$HF_HUB_OFFLINE is set, so nothing is fetched or sent. Unset it, or name a folder"
    if "LocalTokenNotFoundError" in names:
        return f"the Hugging Face Hub needs a login. {_LOGIN}"
    if "GatedRepoError" in names:
        return f"its owners grant access one by one. Ask for it on its page. {_LOGIN}"
    if "RevisionNotFoundError" in names:
        return "it has no such revision. Check --revision"
    if "EntryNotFoundError" in names:
        return f"a file is missing there ({first_line(error)})"
    if "RepositoryNotFoundError" in names:
        return f"no such repository, or it is private. Check the name. {_LOGIN}"
    if status in (_UNAUTHORISED, _FORBIDDEN):
        return (
            f"the Hub refuses the login ({status}); a token may lack the right to write. {_LOGIN}"
        )
    if status is not None or "HfHubHTTPError" in names:
        return f"the Hub answered: {first_line(error)}"
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if modules & set(_NETWORK) or isinstance(error, ConnectionError | TimeoutError):
        return (
            f"the Hugging Face Hub cannot be reached ({first_line(error)}). Check the network, or "
            "name a folder, such as ./shared"
        )
    return None
