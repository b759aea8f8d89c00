"""Finding calls that block the event loop, by reading the source of coroutines.

A call in an ``async def`` is reported when its name is known to wait for a disk, a process, a name server or the
clock, unless it is awaited (then it is somebody's coroutine of the same name) or its line says why it may:
``# blocks: one small file, at start``, or a ``noqa`` of one of ruff's rules of the same kind, with its reason.
Functions and lambdas defined inside a coroutine are not looked into: they are usually on their way to a thread.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EXCUSE = re.compile(r"# blocks: \S|# noqa: ASYNC\d+ +[-#]+ \S")

MODULES = frozenset({"requests", "shutil", "subprocess", "urllib.request"})
FUNCTIONS = frozenset(
    {
        "fcntl.flock", "fcntl.lockf", "gzip.open", "input", "open", "os.chmod", "os.chown", "os.fdatasync",
        "os.fsync", "os.listdir", "os.lstat", "os.makedirs", "os.mkdir", "os.open", "os.popen", "os.remove",
        "os.removedirs", "os.rename", "os.replace", "os.rmdir", "os.scandir", "os.stat", "os.system", "os.unlink",
        "os.wait", "os.wait3", "os.wait4", "os.walk", "select.select", "signal.pause", "signal.sigwait",
        "socket.create_connection", "socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname",
        "sqlite3.connect", "tarfile.open", "tempfile.NamedTemporaryFile", "tempfile.TemporaryDirectory",
        "tempfile.TemporaryFile", "tempfile.mkdtemp", "tempfile.mkstemp", "time.sleep", "zipfile.ZipFile",
    }
)  # fmt: skip
METHODS = frozenset(
    {
        "exists", "expanduser", "glob", "hardlink_to", "is_dir", "is_file", "is_socket", "is_symlink", "iterdir",
        "lstat", "mkdir", "read_bytes", "read_text", "rglob", "rmdir", "run_until_complete", "sendall",
        "symlink_to", "unlink", "write_bytes", "write_text",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BlockingCall:
    """One call found: where, what, and in which coroutine."""

    path: Path
    line: int
    call: str
    coroutine: str

    def __str__(self) -> str:
        """Say it as a compiler would."""
        return f"{self.path}:{self.line}: {self.call}() blocks the loop in coroutine {self.coroutine}"


def scan(source: str, path: Path) -> list[BlockingCall]:
    """Return the blocking calls in the coroutines of one module."""
    tree = ast.parse(source, filename=str(path))
    names = _imported_names(tree)
    lines = source.splitlines()
    found: list[BlockingCall] = []
    for coroutine in (node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)):
        for call in _calls_of(coroutine):
            name = _blocking_name(call, names)
            if name is not None and not _is_excused(call, lines):
                found.append(BlockingCall(path=path, line=call.lineno, call=name, coroutine=coroutine.name))
    return found


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for: ``{"sleep": "time.sleep", "sp": "subprocess"}``."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _calls_of(coroutine: ast.AsyncFunctionDef) -> Iterator[ast.Call]:
    """Yield the calls that the coroutine itself makes and does not await."""
    pending: list[ast.AST] = [*coroutine.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
            pending += [node.value.func, *node.value.args, *node.value.keywords]
            continue
        if isinstance(node, ast.Call):
            yield node
        pending += ast.iter_child_nodes(node)


def _blocking_name(call: ast.Call, names: dict[str, str]) -> str | None:
    dotted = _dotted(call.func)
    if dotted is not None:
        head, _, rest = dotted.partition(".")
        full = ".".join(filter(None, [names.get(head, head), rest]))
        if full in FUNCTIONS or full.rpartition(".")[0] in MODULES:
            return full
    if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
        return f"….{call.func.attr}"
    return None


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (above := _dotted(node.value)) is not None:
        return f"{above}.{node.attr}"
    return None


def _is_excused(call: ast.Call, lines: list[str]) -> bool:
    last = call.end_lineno or call.lineno
    return any(EXCUSE.search(line) for line in lines[call.lineno - 1 : last])
