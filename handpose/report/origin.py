"""The provenance block of results.json as rows of a page (see `handpose.pipeline.sessions`)."""

from typing import Any, NamedTuple

from handpose.report.rows import duration, shown

_SHORT = 12  # characters of a commit or fingerprint; the file has the whole
_STAGES = {"pretrain": "Pre-training", "finetune": "Fine-tuning", "evaluate": "Evaluation"}
# Versions in the order of the page; the rest follows.
_FIRST = ("handpose", "python", "torch", "cuda", "cudnn", "torchvision", "lightning", "timm")


class SessionRow(NamedTuple):
    """One start of a run, in words."""

    started: str
    text: str  # end, code, device, host, and the versions that differ from the last session
    command: str


class Origin(NamedTuple):
    """How a run came about, in words."""

    facts: list[tuple[str, str]]
    sessions: list[SessionRow]
    note: str  # empty if every session is on record


def origin(block: Any) -> Origin | None:
    """Words for the provenance of a run; None without one, as in older runs.

    Args:
        block: "provenance" of results.json; None without one.
    """
    if not isinstance(block, dict) or not block.get("sessions"):
        return None
    last = block["sessions"][-1]
    facts = [
        ("Code", describe_code(last)),
        ("Device", _place(last)),
        ("Versions", describe_versions(last.get("versions") or {})),
        ("Started", _time(block.get("started"))),
        ("Ended", _time(block.get("ended"))),
        *(
            (f"{_STAGES.get(stage, stage)}, time", duration(seconds))
            for stage, seconds in block.get("seconds", {}).items()
        ),
        *_data(block.get("data", {})),
    ]
    rows = [_session(session, last) for session in block["sessions"]]
    earlier = "" if block.get("has_all_sessions", True) else "Earlier sessions are not on record."
    return Origin([(name, text) for name, text in facts if text], rows, earlier)


def _session(session: dict[str, Any], last: dict[str, Any]) -> SessionRow:
    ended = _time(session.get("ended"))
    own, others = session.get("versions") or {}, last.get("versions") or {}
    changed = {name: version for name, version in own.items() if version != others.get(name)}
    parts = (
        f"until {ended}" if ended else "no end recorded",  # it was killed
        describe_code(session),
        _place(session),
        describe_versions(changed),
    )
    text = "; ".join(part for part in parts if part)
    return SessionRow(_time(session.get("started")), text, str(session.get("command") or ""))


def _place(session: dict[str, Any]) -> str:
    device, host = describe_device(session.get("device") or {}), session.get("host")
    return f"{device}, on {host}" if host else device


def describe_code(session: dict[str, Any]) -> str:
    """Commit and state of the checkout, or the version of an installed package.

    Args:
        session: of `handpose.provenance.provenance`.
    """
    if not session.get("commit"):
        version = (session.get("versions") or {}).get("handpose")
        return f"handpose {version}, not a git checkout" if version else "unknown"
    states = {True: "with uncommitted changes", False: "without changes"}
    return f"commit {session['commit'][:_SHORT]}, {states.get(session['dirty'], 'state unknown')}"


def describe_device(device: dict[str, Any]) -> str:
    """Names the device and the number of processes.

    Args:
        device: of `handpose.provenance.describe_device`.
    """
    if not device:
        return ""
    count, processes = device.get("count", 1), device.get("processes", 1)
    name = str(device.get("name", device.get("type", "")))
    if device.get("type") == "cpu":
        name = f"{name} ({count} core{'s' * (count != 1)})"
    elif count > 1:
        name = f"{count} × {name}"
    return f"{name}, {processes} process{'es' * (processes != 1)}"


def describe_versions(versions: dict[str, Any]) -> str:
    """Lists name and version, the most important first; what is absent is left out.

    Args:
        versions: of `handpose.provenance.versions`.
    """
    names = [*_FIRST, *(name for name in versions if name not in _FIRST)]
    return ", ".join(f"{name} {versions[name]}" for name in names if versions.get(name))


def _data(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (f"{_STAGES.get(stage, stage)}, {split} data", _split(own))
        for stage, splits in data.items()
        for split, own in splits.items()
    ]


def _split(own: dict[str, Any]) -> str:
    fingerprint = own.get("fingerprint")
    words = f"fingerprint {short(fingerprint)}" if fingerprint else "no fingerprint"
    return f"{own.get('source')}, {shown(own.get('samples'))} samples, {words}"


def short(fingerprint: str) -> str:
    """Shortens each part of a fingerprint that is a digest; names stay."""
    return " ".join(
        part[:_SHORT] if len(part) > 2 * _SHORT else part for part in fingerprint.split()
    )


def _time(text: Any) -> str:
    """ "2026-11-30T07:15:02+01:00" -> "2026-11-30 07:15:02 +01:00"."""
    if not text:
        return ""
    day, _, time = str(text).partition("T")
    return f"{day} {time[:8]} {time[8:]}".strip()
