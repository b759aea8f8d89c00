"""What a tool promises about arguments that are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from devbench_core.bench import Bench
from devbench_core.errors import DevbenchError, ValidationFailed
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.tool_examples import Arguments, Examples, WithExamples, all_of, call
from devbench_core.testing.kit.tool_schemas import SAMPLES, agree, arguments_of, validator
from devbench_core.tool import Tool
from devbench_core.tools.call import call_tool

NO_ARGUMENT = "no_such_argument"


@stated_by(Tool, call_tool)
class ToolArgumentsContract(WithExamples):
    """What a plugin's tools promise about arguments that are wrong. Needs what `WithExamples` says."""

    @pytest.mark.asyncio
    async def test_unknown_arguments_are_refused_by_name(self, bench: Bench, examples: Examples):
        faults: list[str] = []
        for name, arguments in all_of(examples):
            faults += await _refused(bench, name, {**arguments, NO_ARGUMENT: 1}, NO_ARGUMENT)
        agree(faults)

    @pytest.mark.asyncio
    async def test_missing_arguments_are_refused_by_name(self, bench: Bench, examples: Examples):
        faults: list[str] = []
        for name, arguments in all_of(examples):
            for field in arguments_of(bench.tools[name]).get("required", []):
                rest = {key: value for key, value in arguments.items() if key != field}
                faults += await _refused(bench, name, rest, field)
        agree(faults)

    @pytest.mark.asyncio
    async def test_arguments_that_do_not_fit_the_schema_are_refused_by_name(
        self, bench: Bench, examples: Examples
    ):
        faults: list[str] = []
        for name, arguments in all_of(examples):
            schema = arguments_of(bench.tools[name])
            check = validator(schema)
            for field in schema.get("properties", {}):
                wrong = [{**arguments, field: value} for value in SAMPLES]
                for given in wrong:
                    if not check.is_valid(given):
                        faults += await _refused(bench, name, given, field)
        agree(faults)


async def _refused(bench: Bench, name: str, arguments: Arguments, field: str) -> list[str]:
    """Say what is wrong with the answer to arguments of which one is wrong; that one must be named."""
    result = await call(bench, name, arguments)
    given = f"{name} with {field} = {arguments.get(field, 'nothing')!r}"
    if not isinstance(result, DevbenchError):
        return [f"{given} was not refused"]
    if not isinstance(result, ValidationFailed):
        return [f"{given} failed as {result.code} instead of {ValidationFailed.code}"]
    details: Any = result.details
    named = {details["field"], *(fault["field"] for fault in details.get("faults", ()))}
    if field not in {str(path).partition(".")[0] for path in named}:
        return [f"{given} was refused for {', '.join(sorted(named))}"]
    return []
