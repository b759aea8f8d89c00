"""Puts the use cases together: the only place that knows all of them."""

from __future__ import annotations

import attrs

from devbench_core.containers.service import Containers
from devbench_core.execs import Execs
from devbench_core.files import Files
from devbench_core.images import Images


@attrs.frozen(kw_only=True, eq=False)
class Services:
    """The use cases of one opened core."""

    containers: Containers
    execs: Execs
    files: Files
    images: Images
