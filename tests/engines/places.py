"""Where the engines and their caches live, and the variables that tell tests about them."""

import os
from pathlib import Path

DOCKER_HOST_VARIABLE = "DEVBENCH_TEST_DOCKER_HOST"
PODMAN_HOST_VARIABLE = "DEVBENCH_TEST_PODMAN_HOST"
PRIVATE_VARIABLE = "DEVBENCH_TEST_PRIVATE_ENGINE"
CACHE_VARIABLE = "DEVBENCH_TEST_CACHE"
KEPT_FOLDER = Path("/var/tmp/devbench-engines")  # a fixed place that other shells can find
KEPT_PODMAN_FOLDER = Path("/var/tmp/devbench-podman")
PRIVATE_PREFIX = "devbench-test-"
PRIVATE_PARENT = Path("/var/tmp")  # private folders below it are made by mkdtemp


SHARED_CACHE = Path("/var/cache/devbench-test")


def cache_folder() -> Path:
    """Return the folder of downloaded and built things that are worth keeping between runs.

    Root's is readable to others, because tests run part of their work as an ordinary user.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if os.geteuid() == 0:
        return SHARED_CACHE
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "devbench-test"
