"""The kernel's word on a container that was killed for its memory."""

import secrets
from pathlib import Path

from devbench_runtime_podman.memory import killed_for_memory

CONTAINER = secrets.token_hex(32)
KILL = "6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/a,task_memcg=/libpod_parent/libpod-{},task=x,pid=1\n"


def test_it_is_believed_of_the_container_that_it_names(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text(KILL.format(CONTAINER), "utf-8")
    assert killed_for_memory(CONTAINER, log)
    assert not killed_for_memory(secrets.token_hex(32), log)


def test_what_a_program_wrote_into_its_own_name_is_not_believed(tmp_path: Path):
    log = tmp_path / "log"
    log.write_text(f"6,1,2,-;oom-kill:task_memcg=/other,task={CONTAINER},pid=1\n", "utf-8")
    assert not killed_for_memory(CONTAINER, log)


def test_without_a_log_nothing_is_claimed(tmp_path: Path):
    assert not killed_for_memory(CONTAINER, tmp_path / "absent")


def test_the_kernels_own_log_is_read_to_its_end_or_not_at_all():
    assert not killed_for_memory(CONTAINER)
