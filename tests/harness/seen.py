"""What can be seen of a container from within and on its engine, without what differs between any two of them."""

from __future__ import annotations

import http
import http.client
import json
import re
import socket
from pathlib import Path
from typing import Any, cast

from devbench_core.bench import Bench
from devbench_core.engines.names import split_ref
from devbench_core.model.container import Container
from devbench_core.model.execution import ExecRequest
from devbench_runtime_bubblewrap.settings import BubblewrapSettings

LOOK = r"""
exec 2>&1
echo "# environment"; env | sort | grep -v "^_="
echo "# who"; id; umask; pwd; ulimit -a
echo "# first process"; tr '\0' ' ' < /proc/1/cmdline; echo; cat /proc/1/environ | tr '\0' '\n'
grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:|Umask|NSpid)" /proc/1/status
grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:|Umask)" /proc/self/status
names=$(for each in /proc/[0-9]*; do read -r name < "$each/comm" && echo "$name"; done)
echo "# processes"; echo "$names" | sort -u
echo "# mounts"; cut -d' ' -f5- /proc/self/mountinfo | sed 's/ master:[0-9]*//; s/ shared:[0-9]*//' | sort
echo "# network"; cut -d: -f1 /proc/net/dev; cat /proc/net/route | wc -l
echo "# files"
for each in / /workspace /tmp /.devbench /.devbench-run; do ls -lan "$each" | awk '{print $1,$3,$4,$9}'; done
echo "# limits"; cat /proc/self/limits; cat /proc/1/oom_score_adj
for each in memory.max memory.swap.max pids.max cpu.max; do cat "/sys/fs/cgroup/$each"; done
echo "# kernel"; cat /proc/sys/kernel/random/uuid > /dev/null; hostname | wc -c; cat /etc/hosts /etc/resolv.conf
exit 0
"""
OWN = (
    (re.compile(r"\bc_[0-9a-z]{20}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<engine id>"),
    (re.compile(r"\b(?=\d*[a-f])[0-9a-f]{10,32}\b"), "<random>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)"), "<time>"),
    (re.compile(r"/overlay2?/[^/,\" ]+(/|\b)"), "/overlay/<layer>/"),
    (re.compile(r"\b[A-Z2-7]{26}\b"), "<layer>"),
    (re.compile(r"\b\d+(,\d+)?(?=,?volume)"), "<n>"),
)
LIVES = frozenset({"Pid", "ConmonPid", "SandboxID", "SandboxKey", "Name", "created_at", "CgroupPath"})
"""What the engine has of this one's life alone."""


async def within(bench: Bench, container: Container) -> str:
    """Return what a command in it sees."""
    run = await bench.execs.start(container.id, ExecRequest(argv=("/bin/sh", "-c", LOOK)))
    done = await bench.execs.wait(run.id, wait_s=30)
    assert done.ending is not None, done
    output = await bench.execs.poll(run.id, max_bytes=1 << 20)
    return without_own(b"".join(chunk.data for chunk in output.chunks).decode(errors="replace"))


def without_own(text: str) -> str:
    """Return a text without ids, times and other names that are made anew for each container."""
    for pattern, instead in OWN:
        text = pattern.sub(instead, text)
    return text


def on_engine(config: dict[str, Any], container: Container) -> str:
    """Return what the engine shows of it, as JSON."""
    if container.runtime == "bubblewrap":
        folder = BubblewrapSettings().folder_in(Path(config["state_dir"]))
        seen: object = json.loads((folder / "containers" / container.id / "spec.json").read_bytes())
    else:
        path = "/v4.0.0/libpod/containers" if container.runtime == "podman" else "/containers"
        address = str(config["plugin"][container.runtime]["host"]).removeprefix("unix://")
        seen = _asked(address, f"{path}/{split_ref(container.ref)[0]}/json")
    return without_own(json.dumps(_without_life(seen), indent=1, sort_keys=True))


def _without_life(seen: object) -> object:
    if isinstance(seen, dict):
        pairs = cast("dict[str, object]", seen)
        return {key: _without_life(value) for key, value in pairs.items() if key not in LIVES}
    if isinstance(seen, list):
        return sorted((_without_life(each) for each in cast("list[object]", seen)), key=str)
    return seen


def _asked(address: str, path: str) -> object:
    connection = http.client.HTTPConnection("engine")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(address)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == http.HTTPStatus.OK, answer.read()
        return json.loads(answer.read())
    finally:
        connection.close()
