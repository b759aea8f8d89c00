"""Says what the demo does: for people as numbered steps, for machines as one JSON document a line."""

from __future__ import annotations

import json
import os
import sys

from devbench_cli.options import Options
from devbench_cli.show.results import json_line
from devbench_core.errors import DevbenchError
from devbench_core.tools.pieces import OutputPiece

BOLD, DIM, RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
ARGUMENT_MAX = 60


class DemoFailed(DevbenchError):
    """A step of the demo did not do what it says."""

    code = "demo_failed"


class Narrator:
    """Tells of steps, calls, output and facts; checks what a step claims."""

    def __init__(self, options: Options) -> None:
        self._json = options.as_json
        self._quiet = options.quiet
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._step = 0
        self._title = ""
        self._partial = b""

    def step(self, title: str) -> None:
        """Begin a step."""
        self._step += 1
        self._title = title
        if self._json:
            json_line({"step": self._step, "title": title})
        else:
            self._say(f"\n{self._paint(BOLD, f'{self._step}. {title}')}")

    def call(self, tool: str, **arguments: object) -> None:
        """Say which tool an agent would call now, with which arguments."""
        if self._json:
            json_line({"step": self._step, "tool": tool, "arguments": arguments})
        else:
            shown = ", ".join(f"{name}={_short(value)}" for name, value in arguments.items())
            self._say(self._paint(DIM, f"   an agent calls  {tool}({shown})"))

    def fact(self, text: str) -> None:
        """Say what came out."""
        if self._json:
            json_line({"step": self._step, "fact": text})
        else:
            self._say(f"   {text}")

    async def output(self, piece: OutputPiece) -> None:
        """Show a command's output as it comes, line by line."""
        if self._json:
            return json_line({"step": self._step, "output": piece.model_dump(mode="json", exclude_none=True)})
        *lines, self._partial = (self._partial + piece.to_bytes()).split(b"\n")
        for text in lines:
            self._say(f"   | {text.decode('utf-8', 'replace')}")
        return None

    def expect(self, holds: object, claim: str) -> None:
        """Check a claim of this step, and say that it holds.

        Raises:
            DemoFailed: It does not.
        """
        if not holds:
            raise DemoFailed(
                f"step {self._step} ({self._title}): not so: {claim}",
                hint="`devbench doctor` looks for the cause; --verbose shows events",
            )
        self.fact(f"checked: {claim}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def _paint(self, code: str, text: str) -> str:
        return f"{code}{text}{RESET}" if self._colour else text


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= ARGUMENT_MAX else f"{text[: ARGUMENT_MAX - 1]}…"
