"""Save a workspace on Weights & Biases that compares the runs of a project.

It has the objectives side by side, results by label fraction, the health of the representation, the
losses, PCK, the worst samples and the speed. Runs are sorted by the first metric. Each call saves a
new view; existing views stay. Needs the extra `dashboard`: pip install "handpose[dashboard]", and a
login (`wandb login` or $WANDB_API_KEY).
"""

import argparse
import importlib.util
import re

from handpose.config.errors import ends_with_message, refuse_arguments

_PROJECT = re.compile(r"([^/\s]+)/([^/\s]+)")


def main(argv: list[str] | None = None) -> None:
    """Builds and saves; exits with 1 and one message on any problem.

    Args:
        argv: command line; None for that of the process.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("project", metavar="ENTITY/PROJECT", help="where the runs are")
    add("--name", default="handpose", help="of the workspace (default: handpose)")
    add("--dry-run", action="store_true", help="print the panels, send nothing")
    arguments = parser.parse_args(argv)
    place = _PROJECT.fullmatch(arguments.project)
    if place is None:
        refuse_arguments([f"{arguments.project}: write ENTITY/PROJECT, such as alice/hands"])

    from handpose.dashboard.specification import as_text, specification

    found = specification(arguments.name)
    if arguments.dry_run:
        print(as_text(found))
        return
    if importlib.util.find_spec("wandb_workspaces") is None:
        refuse_arguments(['wandb-workspaces missing; pip install "handpose[dashboard]"'])

    from handpose.dashboard.workspace import build_workspace, save_workspace

    with ends_with_message():
        workspace = build_workspace(found, entity=place[1], project=place[2])
        print(save_workspace(workspace))
