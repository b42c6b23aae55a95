"""The configuration: schema and checks, without heavy imports."""

from handpose.config.checks.command_line import check_command_line
from handpose.config.checks.composed import check
from handpose.config.errors import without_traceback
from handpose.config.schema import register

__all__ = ["check", "check_command_line", "register", "without_traceback"]
