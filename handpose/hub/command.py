"""The sub-commands push and pull of `handpose weights`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handpose.config.checks.overrides import path_argument

if TYPE_CHECKING:
    from handpose.hub.remote import Remote

_REPO = "OWNER/NAME on the Hugging Face Hub, or a folder (./PATH)"


def add_commands(commands: Any) -> None:
    """Adds both sub-commands to the parser of `handpose weights`.

    Args:
        commands: what `add_subparsers` returns.
    """
    push = commands.add_parser("push", help="share a run's weights, on the Hugging Face Hub")
    push.add_argument("run", type=path_argument, metavar="RUN", help="directory of a finished run")
    push.add_argument("repo", metavar="REPO", help=_REPO)
    push.add_argument(
        "--only", choices=("backbone", "model"), help="default: both, if the run has both"
    )
    push.add_argument("--private", action="store_true", help="make a new repository private")
    push.add_argument("--revision", metavar="BRANCH", help="made if missing (default: main)")
    push.add_argument("--message", default="", metavar="TEXT", help="of the commit")
    push.add_argument(
        "--dry-run", action="store_true", help="print files and model card, send nothing"
    )
    push.set_defaults(command=_push, to=None)
    pull = commands.add_parser("pull", help="fetch shared weights as a run directory")
    pull.add_argument("repo", metavar="REPO", help=_REPO)
    pull.add_argument(
        "--to", type=path_argument, metavar="DIR", help="new folder (default: ./NAME)"
    )
    pull.add_argument("--revision", metavar="REV", help="branch, tag or commit (default: main)")
    pull.add_argument("--dry-run", action="store_true", help="print the files, fetch none")
    pull.set_defaults(command=_pull)


def _push(arguments: argparse.Namespace) -> None:
    from handpose.hub.remote import find_remote
    from handpose.hub.transfer import push

    remote = find_remote(arguments.repo, revision=arguments.revision, private=arguments.private)
    kinds = [arguments.only] if arguments.only else []
    pushed = push(
        arguments.run, remote, kinds=kinds, message=arguments.message, dry=arguments.dry_run
    )
    if arguments.dry_run:
        print(pushed.card)
        print(f"--dry-run: nothing was sent. For {remote.where}:")
    _print_sizes(pushed.sizes)
    if pushed.where:
        print(f"pushed to {pushed.where}")
        print(f"README.md states the terms of the data; fetch with: {_pull_command(arguments)}")


def _pull_command(arguments: argparse.Namespace) -> str:
    revision = f" --revision {arguments.revision}" if arguments.revision else ""
    return f"handpose weights pull {arguments.repo}{revision} --to DIR"


def _pull(arguments: argparse.Namespace) -> None:
    from handpose.hub.remote import find_remote
    from handpose.hub.transfer import list_files, pull

    remote = find_remote(arguments.repo, revision=arguments.revision)
    if arguments.dry_run:
        listing = list_files(remote)
        _print_sizes(listing.sizes)
        print(f"--dry-run: nothing was fetched. From {_source(remote, listing.state)}")
        return
    folder = arguments.to or Path(Path(arguments.repo).absolute().name)
    pulled = pull(remote, folder)
    print(f"{pulled.folder}: {' and '.join(pulled.kinds)} from {_source(remote, pulled.state)}")
    if "model" in pulled.kinds:
        print(f"  handpose predict {pulled.folder} IMAGES")
    if "backbone" in pulled.kinds:
        print(f"  handpose train backbone.weights={pulled.folder}/backbone.pt ...")
    print(f"Its terms are in {pulled.folder}/README.md.")


def _source(remote: "Remote", state: str) -> str:
    """Returns where files come from, with the commit if it is a repository."""
    return f"{remote.where}, commit {state}" if remote.name else remote.where


def _print_sizes(sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        print(f"  {name}: {size / 1e6:,.2f} MB")
