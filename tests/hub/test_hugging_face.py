"""The Hub's client is called as it is written, and its errors say what to do."""

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from handpose.hub.manifest import CARD, MANIFEST
from handpose.hub.remote import HuggingFace, check_sizes
from handpose.hub.transfer import list_files, pull, push

REPO = "alice/hands"


class Stub:
    """A Hub of one repository, with the interface of `huggingface_hub.HfApi`.

    Each call is bound to the signature of the real method, so that a wrong name or argument fails.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.files: dict[str, bytes] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        signature = inspect.signature(getattr(huggingface_hub.HfApi, name))

        def call(*arguments: Any, **options: Any) -> Any:
            bound = signature.bind(self, *arguments, **options).arguments
            bound.pop("self")
            self.calls.append((name, bound))
            return getattr(self, f"_{name}", lambda **o: None)(**bound)

        return call

    def _upload_folder(self, *, folder_path: str, delete_patterns: list[str], **rest: Any) -> Any:
        for name in delete_patterns:
            self.files.pop(name, None)
        self.files |= {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
        return SimpleNamespace(oid="1234")

    def _model_info(self, *, repo_id: str, **rest: Any) -> Any:
        siblings = [
            SimpleNamespace(rfilename=name, size=len(content))
            for name, content in (self.files | {".gitattributes": b"*"}).items()
        ]
        return SimpleNamespace(siblings=siblings, sha="1234")

    def _hf_hub_download(self, *, repo_id: str, filename: str, local_dir: str, **rest: Any) -> str:
        path = Path(local_dir) / filename
        path.write_bytes(self.files[filename])
        (Path(local_dir) / ".cache").mkdir(exist_ok=True)
        return str(path)


@pytest.fixture
def hub() -> Stub:
    return Stub()


def names(hub: Stub) -> list[str]:
    return [name for name, _ in hub.calls]


def test_a_run_goes_there_and_back(hub: Stub, run_dir: Path, tmp_path: Path) -> None:
    remote = HuggingFace(REPO, revision="v2", private=True, client=hub)
    pushed = push(run_dir, remote, message="first")
    assert pushed.where == "https://huggingface.co/alice/hands, commit 1234"
    assert names(hub) == ["whoami", "create_repo", "create_branch", "upload_folder"]
    calls = dict(hub.calls)
    assert calls["create_repo"] == {"repo_id": REPO, "private": True, "exist_ok": True}
    assert calls["create_branch"]["branch"] == calls["upload_folder"]["revision"] == "v2"
    assert calls["upload_folder"]["commit_message"] == "first"
    assert f"handpose weights pull {REPO} --to model" in hub.files[CARD].decode()

    hub.calls.clear()
    pulled = pull(HuggingFace(REPO, revision="v2", client=hub), tmp_path / "pulled")
    assert pulled.kinds == ["backbone", "model"]
    assert set(names(hub)) == {"model_info", "hf_hub_download"}
    assert dict(hub.calls)["model_info"]["revision"] == "v2"
    downloads = [own for name, own in hub.calls if name == "hf_hub_download"]
    assert {own["revision"] for own in downloads} == {"1234"}  # of one commit
    assert downloads[0]["filename"] == MANIFEST
    assert not (pulled.folder / ".cache").exists()


def test_what_is_gone_from_a_run_is_deleted(hub: Stub, run_dir: Path) -> None:
    push(run_dir, HuggingFace(REPO, client=hub))
    push(run_dir, HuggingFace(REPO, client=hub), kinds=["backbone"])
    assert "model.safetensors" not in hub.files
    assert "backbone.safetensors" in hub.files
    assert "create_branch" not in names(hub)  # the default one exists


def test_a_dry_run_asks_nobody(hub: Stub, run_dir: Path) -> None:
    pushed = push(run_dir, HuggingFace(REPO, client=hub), dry=True)
    assert pushed.where == ""
    assert hub.calls == []


def test_only_the_sizes_are_read_before_a_download(hub: Stub, run_dir: Path) -> None:
    push(run_dir, HuggingFace(REPO, client=hub))
    hub.calls.clear()
    listing = list_files(HuggingFace(REPO, client=hub))
    assert names(hub) == ["model_info"]
    assert ".gitattributes" not in listing.sizes
    with pytest.raises(ValueError, match=r"config\.json: .* the limit is"):
        check_sizes(listing._replace(sizes={"config.json": 1 << 40}))
    hub.files.pop(MANIFEST)
    with pytest.raises(ValueError, match=r"has no handpose\.json"):
        list_files(HuggingFace(REPO, client=hub))


def test_a_client_that_writes_elsewhere_is_not_followed(
    hub: Stub, run_dir: Path, tmp_path: Path
) -> None:
    push(run_dir, HuggingFace(REPO, client=hub))
    hub._hf_hub_download = lambda **o: str(run_dir / "config.json")  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="it is not read"):
        pull(HuggingFace(REPO, client=hub), tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


def answer(kind: type[Exception], status: int) -> Exception:
    """An error of the client, with the response that it is made of."""
    import httpx

    response = httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co/api"))
    return kind("the server says no", response=response)  # type: ignore[call-arg]


def unreachable() -> Exception:
    """An error of the library that the installed client sends its requests with."""
    library = type(huggingface_hub.get_session()).__module__.partition(".")[0]
    return sys.modules[library].ConnectError("[Errno -2] Name or service not known")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (lambda: answer(errors.RepositoryNotFoundError, 404), "no such repository, or it is priv"),
        (lambda: answer(errors.GatedRepoError, 403), "Ask for it on its page"),
        (lambda: answer(errors.RevisionNotFoundError, 404), "no such revision. Check --revision"),
        (lambda: answer(errors.HfHubHTTPError, 401), "refuses the login .*hf auth login.*HF_TOKEN"),
        (lambda: answer(errors.HfHubHTTPError, 500), "the Hub answered: the server says no"),
        (lambda: errors.LocalTokenNotFoundError("none"), "needs a login. .*hf auth login"),
        (lambda: errors.OfflineModeIsEnabled("offline"), r"\$HF_HUB_OFFLINE is set"),
        (lambda: errors.HFValidationError("Repo id must"), "alice/hands: Repo id must"),
        (unreachable, "cannot be reached .*or name a folder"),
        (lambda: TimeoutError("slow"), "cannot be reached"),
    ],
)
def test_each_error_says_what_to_do(
    run_dir: Path, error: Callable[[], Exception], advice: str
) -> None:
    def fail(**options: Any) -> None:
        raise error()

    hub = Stub()
    hub._whoami = fail  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=advice):
        push(run_dir, HuggingFace(REPO, client=hub))
    assert names(hub) == ["whoami"]  # before any work


def test_another_error_stays_as_it_is(run_dir: Path) -> None:
    def fail(**options: Any) -> None:
        raise ZeroDivisionError

    hub = Stub()
    hub._whoami = fail  # type: ignore[attr-defined]
    with pytest.raises(ZeroDivisionError):
        push(run_dir, HuggingFace(REPO, client=hub))


def test_without_the_extra_the_refusal_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "handpose\[hub\]"'):
        HuggingFace(REPO).check_upload()


def test_the_real_client_refuses_offline(
    monkeypatch: pytest.MonkeyPatch, run_dir: Path, tmp_path: Path
) -> None:
    """The client itself, with the switch that forbids the network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"HF_HUB_OFFLINE is set|cannot be reached"):
        pull(HuggingFace(REPO), tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()
