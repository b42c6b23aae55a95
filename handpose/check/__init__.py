"""Checks of the configuration, before anything heavy is imported: all problems at once."""

from handpose.check.command_line import check_command_line
from handpose.check.composed import check
from handpose.check.refusal import without_traceback

__all__ = ["check", "check_command_line", "without_traceback"]
