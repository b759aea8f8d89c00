"""Names and paths, on each runtime and image."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from devbench_core.errors import DevbenchError, FileFailed
from devbench_core.files import Files
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import WithHost
from devbench_core.testing.kit.odd_texts import Text, texts

NAMES = {
    "plain": "a.txt",
    "hidden": ".a",
    "dots": "...",
    "leading dots": "..a",
    "space": "a b",
    "only a space": " ",
    "trailing space": "a ",
    "trailing dot": "a.",
    "newline": "a\nb",
    "tab": "a\tb",
    "escape": "\x1b[31m",
    "delete": "\x7f",
    "backslash": "a\\b",
    "up by backslash": "..\\a",
    "option": "-rf",
    "quotes": "a'b\"c",
    "substitution": "$(id)`id`",
    "variable": "$HOME",
    "home": "~",
    "star": "*",
    "percent": "%2e%2e%2f",
    "colon": "a:b",
    "looks like a URI": "file:",
    "composed": "caf\u00e9",
    "decomposed": "cafe\u0301",
    "right to left": "\u202egpj.exe",
    "full-width": "..\uff0f..",
    "emoji": "\U0001f468\u200d\U0001f469",
    "byte order mark": "\ufeffa",
    "Latin-1": "caf\udce9",
    "no UTF-8": "\udcff\udcfe",
    "overlong slash": "..\udcc0\udcaf..",
    "255 bytes": "n" * 255,
    "255 odd bytes": "\udcff" * 255,
    "DOS device": "CON",
    "whiteout": ".wh.a",
}
REFUSED = [case for case in texts() if case.means is None and len(case.path) < 5000]


async def outcome(lab: Lab, operation: str, case: Text) -> str:
    """Return the code of an error, or "ok"."""
    files = lab.files
    calls = {
        "read": files.read,
        "stat": files.stat,
        "list": files.list,
        "delete": files.delete,
        "mkdir": files.mkdir,
    }
    try:
        if operation == "write":
            await files.write(lab.container, case.path, b"", parents=True)
        else:
            await calls[operation](lab.container, case.path)
    except DevbenchError as error:
        return error.code
    return "ok"


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.read, Files.write)
class FilesNamesContract(WithHost):
    """Names and paths."""

    @pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
    async def test_a_name_is_its_bytes(self, lab: Lab, name: str):
        where = await lab.folder()
        path = f"{where}/{name}"
        written = await lab.files.write(lab.container, path, b"x")
        assert written.info.path == PurePosixPath("/workspace", where, name)
        assert (await lab.files.list(lab.container, where)).entries == (written.info,)
        assert (await lab.files.read(lab.container, written.info.path)).info == written.info
        await lab.files.delete(lab.container, path)
        assert (await lab.files.mkdir(lab.container, path)).path == written.info.path
        assert (await lab.files.list(lab.container, path)).entries == ()

    async def test_names_that_only_look_alike_are_different_files(self, lab: Lab):
        where = await lab.folder()
        alike = [
            "caf\u00e9",
            "cafe\u0301",
            "CAF\u00c9",
            "caf\udce9",
            "a",
            "A",
            "a ",
            "a.",
            "\u0430",
            "\uff41",
            "\ufb01",
            "fi",
        ]
        for name in alike:
            written = await lab.files.write(
                lab.container, f"{where}/{name}", name.encode("utf-8", "surrogateescape")
            )
            assert written.created
        for name in alike:
            content = await lab.files.read(lab.container, f"{where}/{name}")
            assert content.data == name.encode("utf-8", "surrogateescape")

    @needs(Trait.SHELL)
    async def test_what_a_shell_sees_is_the_same_name(self, lab: Lab):
        where = await lab.folder()
        for name in NAMES.values():
            await lab.files.write(lab.container, f"{where}/{name}", b"")
        shown = await lab.said(
            f"cd {where} && for f in * .??* ..?*; do printf '%s' \"$f\" | od -v -An -tx1 | tr -d ' \\n'; echo; done"
        )
        seen = {bytes.fromhex(line) for line in shown.split()}
        assert {name.encode("utf-8", "surrogateescape") for name in NAMES.values() if len(name) > 2} <= seen

    @needs(Trait.SHELL)
    async def test_what_a_shell_makes_is_found_under_the_same_name(self, lab: Lab):
        where = await lab.folder()
        await lab.said(
            f"cd {where} && echo hi > $(printf 'caf\\351') && echo hi > \"$(printf 'a\\tb')x\" && mkdir -- -d"
        )
        listed = [info.path.name for info in (await lab.files.list(lab.container, where)).entries]
        assert listed == ["-d", "a\tbx", "caf\udce9"]
        assert (await lab.files.read(lab.container, f"{where}/caf\udce9")).data == b"hi\n"

    @pytest.mark.parametrize(
        "path",
        [
            "./{}/f",
            "{}//f",
            "{}/./f",
            "{}/x/../f",
            "/workspace/{}/f",
            "/workspace//{}/f",
            "//workspace/{}/f",
            "{}/f/",
        ],
    )
    async def test_a_path_may_be_written_in_many_ways(self, lab: Lab, path: str):
        where = await lab.folder()
        info = (await lab.files.write(lab.container, f"{where}/f", b"x")).info
        assert await lab.files.stat(lab.container, path.format(where)) == info

    @pytest.mark.parametrize("operation", ["read", "stat", "list", "write", "delete", "mkdir"])
    async def test_what_is_no_path_or_leads_out_is_refused_by_every_operation(self, lab: Lab, operation: str):
        for case in REFUSED:
            assert await outcome(lab, operation, case) == case.code, case.name

    async def test_the_longest_path_is_handled_and_one_byte_more_is_refused(self, lab: Lab):
        where = await lab.folder()
        left = 4095 - len(where) - 1
        whole, rest = divmod(left, 256)
        names = ["n" * 255] * whole + (["r" * rest] if rest else [])
        path = "/".join([where, *names])
        path = path[:4095] if not path.endswith("/") else path
        assert len(path) == 4095
        info = (await lab.files.write(lab.container, path, b"deep", parents=True)).info
        assert (await lab.files.read(lab.container, path)).data == b"deep"
        assert str(info.path) == f"/workspace/{path}"
        for longer in (f"{path}x", f"{where}/{'n' * 256}"):
            with pytest.raises(DevbenchError) as caught:
                await lab.files.write(lab.container, longer, b"")
            assert caught.value.code == "validation"
        await lab.files.delete(lab.container, where, recursive=True)

    @needs(Trait.SHELL)
    async def test_links_that_stay_inside_are_followed_and_others_refused(self, lab: Lab):
        where = await lab.folder()
        await lab.files.write(lab.container, f"{where}/d/f", b"x", parents=True)
        await lab.said(
            f"cd {where} && ln -s d/f file && ln -s d folder && ln -s ../file d/up && ln -s . here && ln -s loop loop"
            " && ln -s /etc/passwd absolute && ln -s ../../etc relative && ln -s /workspace/x own && ln -s f/ d/slash"
        )
        for path in ("file", "folder/f", "d/up", "here/here/folder/up"):
            assert (await lab.files.read(lab.container, f"{where}/{path}")).data == b"x"
        for path, reason in {
            "absolute": "path_outside_workspace",
            "relative": "path_outside_workspace",
            "relative/passwd": "path_outside_workspace",
            "own": "path_outside_workspace",
            "loop": "loop",
            "d/slash": "not_directory",
        }.items():
            for call in (
                lab.files.read(lab.container, f"{where}/{path}"),
                lab.files.write(lab.container, f"{where}/{path}", b"", parents=True),
            ):
                with pytest.raises(DevbenchError) as caught:
                    await call
                error = caught.value
                found = error.details["reason"] if isinstance(error, FileFailed) else error.code
                assert (path, found) == (path, reason)
        targets = {
            info.path.name: info.target for info in (await lab.files.list(lab.container, where)).entries
        }
        assert targets["absolute"] == "/etc/passwd"
        await lab.files.delete(lab.container, f"{where}/folder")
        assert (await lab.files.read(lab.container, f"{where}/d/f")).data == b"x"
