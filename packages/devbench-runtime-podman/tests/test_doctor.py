"""What the doctor says of a service that answers, and of one that does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_runtime_podman import doctor
from devbench_runtime_podman.doctor import examine
from devbench_runtime_podman.settings import PodmanSettings


async def test_it_finds_a_working_service_and_what_it_does_not_enforce(
    settings: PodmanSettings, context: OpenContext
):
    diagnosis = await examine(settings, context)
    assert diagnosis.ok
    assert "answers at unix://" in diagnosis.summary
    assert diagnosis.remedies == ()


async def test_it_says_how_to_install_it(
    context: OpenContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "ADMIN_FOLDERS", ())
    diagnosis = await examine(PodmanSettings(host=f"unix://{tmp_path}/nobody.sock"), context)
    assert diagnosis.summary == "Podman is not installed"
    assert diagnosis.remedies[0].argv[:4] == ("apt-get", "install", "-y", "podman")


@pytest.mark.parametrize(("user", "word"), [(0, "enable"), (1234, "--user")])
async def test_it_says_how_to_start_the_users_own_service(
    context: OpenContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, word: str
):
    monkeypatch.setattr(doctor, "SYSTEMD", tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: user)
    diagnosis = await examine(PodmanSettings(host=f"unix://{tmp_path}/nobody.sock"), context)
    last = diagnosis.remedies[-1]
    assert (last.argv[0], last.argv[-1]) == ("systemctl", "podman.socket")
    assert word in last.argv
    assert last.needs_root == (user == 0)


async def test_without_a_service_manager_it_tells_the_command_and_the_traps(
    context: OpenContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor, "SYSTEMD", tmp_path / "absent")
    diagnosis = await examine(PodmanSettings(host=f"unix://{tmp_path}/nobody.sock"), context)
    told = "\n".join(diagnosis.notes)
    assert "podman system service" in told
    assert "default_ulimits" in told
    assert 'runtime = "runc"' in told


async def test_it_never_raises(context: OpenContext):
    for settings in (PodmanSettings(host="nonsense"), PodmanSettings(connection="absent")):
        diagnosis = await examine(settings, context)
        assert not diagnosis.ok
        assert diagnosis.summary


def test_importing_the_plugin_imports_no_client():
    program = (
        "import sys, devbench_runtime_podman; from devbench_runtime_podman import plugin; plugin.devbench_runtimes();"
        "print([name for name in ('podman', 'requests', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
