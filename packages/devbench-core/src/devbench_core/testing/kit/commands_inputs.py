"""What a command is given arrives as it was given, or is refused by name."""

from __future__ import annotations

import asyncio
import hashlib
import random
from pathlib import PurePosixPath

import pytest

from devbench_core.contracts.process import Process
from devbench_core.errors import ValidationFailed
from devbench_core.model.execution import ExecRequest
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.commands_actor import ACTOR, WithActor
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab

MIB = 1024 * 1024
WORDS = {
    "empty": ("", "x", ""),
    "spaces and quotes": ("a b", "it's", '"quoted"', "tab\tand\nline"),
    "what a shell would read": ("$HOME", "*", "`id`", "$(id)", "; id", "&&", ">out", "~", "\\"),
    "unicode": ("grüße", "日本語", "🧪", "e\u0301"),
    "options": ("--", "-n", "--help", "-"),
    "bytes that are no utf-8": ("\udcff\udc80", "a\udce9b"),
    "many": tuple(str(number) for number in range(5000)),
    "a mebibyte": ("x" * 120_000,) * 8,
}
VALUES = {
    "plain": "value",
    "empty": "",
    "equals": "a=b=c",
    "lines": "one\ntwo\n",
    "unicode": "grüße 日本語 🧪",
    "no utf-8": "\udcff\udc80",
    "long": "x" * 120_000,
}


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(ExecRequest, Process.write)
class CommandsInputsContract(WithActor):
    """What a command is given arrives as it was given, or is refused by name."""

    @pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
    async def test_arguments_arrive_byte_by_byte(self, lab: Lab, words: tuple[str, ...]):
        done = await lab.run(ACTOR, "argv", *words)
        assert done.out == b"".join(word.encode(errors="surrogateescape") + b"\0" for word in words)

    @pytest.mark.parametrize(
        "argv",
        [(), ("",), ("a\0b",), ("x", "a\0b"), ("x", "\ud800"), ("x" * 2 * MIB,), ("x",) * 70_000],
        ids=["none", "no program", "NUL in program", "NUL", "a lone surrogate", "too long", "too many"],
    )
    async def test_arguments_that_cannot_be_given_are_refused(self, lab: Lab, argv: tuple[str, ...]):
        with pytest.raises(ValidationFailed) as caught:
            await lab.run(*argv)
        assert caught.value.details["field"] == "argv"

    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
    async def test_a_variable_arrives_byte_by_byte(self, lab: Lab, value: str):
        done = await lab.run(ACTOR, "env", "GIVEN", env={"GIVEN": value})
        assert done.out == value.encode(errors="surrogateescape")
        assert done.exit_code == 0

    @pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "A-B", "Ä", "A\0", "A\n"])
    async def test_a_name_that_is_none_of_a_variable_is_refused(self, lab: Lab, name: str):
        with pytest.raises(ValidationFailed) as caught:
            await lab.run("true", env={name: "x"})
        assert caught.value.details["field"] == "env"

    async def test_a_value_with_nul_is_refused_by_its_name(self, lab: Lab):
        with pytest.raises(ValidationFailed) as caught:
            await lab.run("true", env={"GIVEN": "a\0b"})
        assert caught.value.details["field"] == "env.GIVEN"

    async def test_an_environment_of_nearly_a_mebibyte_arrives_and_a_larger_one_is_refused(self, lab: Lab):
        env = {f"BIG{number}": "x" * 125_000 for number in range(8)}
        done = await lab.sh('echo "${#BIG0} ${#BIG7}"', env=env)
        assert done.out == b"125000 125000\n"
        with pytest.raises(ValidationFailed) as caught:
            await lab.run("true", env={**env, "MORE": "x" * 125_000})
        assert caught.value.details["field"] == "env"

    async def test_variables_are_merged_over_the_containers_and_one_overrides_it(self, lab: Lab):
        path = (await lab.run(ACTOR, "env", "PATH")).out
        assert path
        done = await lab.sh('echo "$PATH|$HOME|$MORE"', env={"HOME": "/elsewhere", "MORE": "more"})
        assert done.out == path + b"|/elsewhere|more\n"

    async def test_a_variable_of_one_command_is_not_another_ones(self, lab: Lab):
        await lab.run("true", env={"SECRET": "x"})
        assert (await lab.run(ACTOR, "env", "SECRET")).exit_code == 3

    async def test_a_program_is_looked_up_in_the_path_that_is_given(self, lab: Lab):
        where = (await lab.said("mkdir -p bin; cp actor bin/an-actor; pwd")).strip()
        assert (await lab.run("an-actor", "exit", "5", env={"PATH": f"{where}/bin"})).exit_code == 5
        assert (await lab.run("an-actor", "exit", "5")).ending.failure == "not_found"

    @needs(Trait.OWN_ROOT)
    @pytest.mark.parametrize(
        ("cwd", "seen"),
        [(None, "/workspace"), (".", "/workspace"), ("deep/er", "/workspace/deep/er"), ("/tmp", "/tmp")],
    )
    async def test_a_directory_is_relative_to_the_workspace_or_absolute(
        self, lab: Lab, cwd: str | None, seen: str
    ):
        await lab.sh("mkdir -p deep/er")
        done = await lab.run("pwd", cwd=None if cwd is None else PurePosixPath(cwd))
        assert done.out.decode() == f"{seen}\n"

    @pytest.mark.parametrize(
        "data",
        [None, b"", b"x", b"line\n", bytes(range(256)), b"\0" * 70_000, random.Random(1).randbytes(3 * MIB)],  # noqa: S311
        ids=["none", "empty", "one byte", "a line", "every byte", "NULs", "three mebibytes"],
    )
    async def test_input_arrives_byte_by_byte_and_ends(self, lab: Lab, data: bytes | None):
        done = await lab.run("cat", stdin=data)
        assert done.out == (data or b"")

    @pytest.mark.parametrize("size", [0, 1, 65_536, 2 * MIB])
    async def test_a_command_that_does_not_read_its_input_ends_all_the_same(self, lab: Lab, size: int):
        assert (await lab.run(ACTOR, "exit", "4", stdin=bytes(size))).exit_code == 4

    async def test_a_command_that_reads_a_part_of_its_input_ends_all_the_same(self, lab: Lab):
        done = await lab.run("head", "-c", "5", stdin=b"first" + bytes(2 * MIB))
        assert (done.out, done.exit_code) == (b"first", 0)

    async def test_a_command_that_closes_its_input_goes_on(self, lab: Lab):
        done = await lab.sh("exec < /dev/null; sleep 0.05; echo on", stdin=bytes(MIB))
        assert done.out == b"on\n"

    async def test_input_above_the_limit_is_refused(self, lab: Lab):
        most = lab.bench.settings.execs.stdin_max_bytes
        with pytest.raises(ValidationFailed, match="stdin"):
            await lab.run("true", stdin=bytes(most + 1))

    async def test_fifty_mebibytes_written_live_arrive_whole(self, lab: Lab):
        piece = random.Random(2).randbytes(MIB)  # noqa: S311 - a pattern
        command = await lab.start("sha256sum", open_stdin=True)
        process = await lab.bench.execs.process(command.id)
        for _ in range(50):
            await process.write(piece)
        await process.close_stdin()
        wanted = hashlib.sha256()
        for _ in range(50):
            wanted.update(piece)
            await asyncio.sleep(0)
        assert (await lab.done(command)).out.split()[0].decode() == wanted.hexdigest()

    async def test_input_can_be_given_in_turns_with_output(self, lab: Lab):
        command = await lab.start(
            "sh", "-c", 'while read word; do echo "<$word>"; done; echo end', open_stdin=True
        )
        process = await lab.bench.execs.process(command.id)
        for number in range(20):
            await process.write(b"%d\n" % number)
            await lab.until_said(command, b"<%d>\n" % number)
        await process.close_stdin()
        assert (await lab.done(command)).out.endswith(b"<19>\nend\n")

    async def test_closing_the_input_leaves_the_output_open(self, lab: Lab):
        command = await lab.start("sh", "-c", "cat > /dev/null; sleep 0.1; echo still", open_stdin=True)
        process = await lab.bench.execs.process(command.id)
        await process.write(b"x")
        await process.close_stdin()
        await process.close_stdin()
        assert (await lab.done(command)).out == b"still\n"

    async def test_what_was_given_at_the_start_comes_before_what_is_written_later(self, lab: Lab):
        command = await lab.start("cat", stdin=b"first ", open_stdin=True)
        process = await lab.bench.execs.process(command.id)
        await process.write(b"second")
        await process.close_stdin()
        assert (await lab.done(command)).out == b"first second"
