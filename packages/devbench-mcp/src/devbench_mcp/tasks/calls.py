"""Which calls are answered with a task, after how long, and what of their answer makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from devbench_core.model.caller import Caller
from devbench_core.tool import ToolInput, ToolOutput
from devbench_core.tools.base import OUTPUT_DEFAULT_BYTES
from devbench_core.tools.catalogue import TOOLS
from devbench_core.tools.execs import ExecWaitInput, ExecWaitOutput
from devbench_core.tools.run import RunInput, RunOutput
from devbench_core.tools.shell_runs import ShellRunInput, ShellRunOutput
from devbench_core.values import frozen
from devbench_mcp.settings import McpSettings

if TYPE_CHECKING:
    from devbench_core.bench import Bench

WORK = frozenset({"spawn"})
"""Tools that are a host's own work, which may take long: `spawn` pulls an image."""
LONG: Mapping[str, Callable[[McpSettings], float]] = {
    "run": lambda settings: settings.task_after_s,
    "exec_wait": lambda settings: settings.task_slow_after_s,
    "shell_run": lambda settings: settings.task_slow_after_s,
}
"""Tools that wait for what goes on without them, and after how long each is answered with a task."""
SCOPES: Mapping[str, str] = {tool.name: tool.scope for tool in TOOLS if tool.name in {*LONG, *WORK}}
"""What who calls each of them needs, and so who has a task of it."""
_INPUTS: Mapping[str, type[ToolInput]] = {
    "run": RunInput,
    "exec_wait": ExecWaitInput,
    "shell_run": ShellRunInput,
}


@frozen
class Call:
    """A call of one of `LONG`.

    Attributes:
        tool: Which.
        given: Its arguments.
    """

    tool: str
    given: ToolInput

    @property
    def waits_s(self) -> float:
        """How long it would wait at most; one of `run` is a task however long that is."""
        match self.given:
            case ExecWaitInput() | ShellRunInput():
                return self.given.wait_s
            case _:
                return float("inf")

    def under_way(self, output: ToolOutput) -> dict[str, Any] | None:
        """Return the fields of a task's record, None when what was waited for has ended."""
        match self.given, output:
            case RunInput(), RunOutput(ended=False):
                command = _command(output.exec.id, output.exec.container_id, self.given.max_output_bytes)
                return {**command, "replayed": output.replayed}
            case ExecWaitInput(), ExecWaitOutput(ended=False):
                return _command(output.exec.id, output.exec.container_id, OUTPUT_DEFAULT_BYTES)
            case ShellRunInput(), ShellRunOutput(ended=False):
                shell = _command(self.given.shell_id, "", self.given.max_output_bytes)
                return {**shell, "run": output.run.number}
            case _:
                return None

    def give_up(self, bench: Bench, what: Mapping[str, Any], caller: Caller) -> None:
        """Do what the end of the call would have done: nobody was told of its task."""
        match self.given:
            case RunInput() if self.given.ends_with_call:
                bench.execs.end_soon(what["exec_id"])
            case ShellRunInput() if self.given.end_with_call:
                bench.shells.interrupt_soon(what["exec_id"], run=what["run"], caller=caller)
            case _:
                return


def long_call(tool: str, arguments: Mapping[str, Any]) -> Call | None:
    """Return a call of one of `LONG`, None when its arguments are wrong: the tool says how."""
    try:
        return Call(tool=tool, given=_INPUTS[tool].model_validate(dict(arguments)))
    except ValidationError:
        return None


def _command(exec_id: str, container_id: str, max_output_bytes: int) -> dict[str, Any]:
    return {"exec_id": exec_id, "container_id": container_id, "max_output_bytes": max_output_bytes}
