"""Checks of the configuration, before anything heavy is imported: all problems at once."""

from handpose.config.command_line import check_command_line
from handpose.config.composed import check
from handpose.config.refusal import without_traceback

__all__ = ["check", "check_command_line", "without_traceback"]
