"""The conformance kit: the tests of every contract, for authors of plugins.

A plugin's tests take a contract's class and say how to get what is tested::

    # conftest.py
    pytest_plugins = ["devbench_core.testing.pytest_plugin"]

    # test_contract.py
    from devbench_core.testing.kit import StoreContract, open_provider

    class TestMyStore(StoreContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            return lambda: open_provider(MyProvider(), tmp_path)

A runtime's tests say what it does too; what is not claimed is skipped by name, and what is claimed must hold::

    class TestMyRuntime(RuntimeContract):
        @pytest.fixture
        def open_runtime(self):
            return lambda context: PROVIDER.open(MySettings(), context)

        @pytest.fixture
        def claims(self):
            return Claims(enforces=frozenset(Clause), images=True)

        @pytest.fixture
        def image(self):
            return lambda runtime: runtime.resolve_image("docker.io/library/busybox:latest")

The same runtime is tested beneath a host, by whose commands and files it is used; the host's parts that are given as
objects need not be installed::

    class TestMyHost(HostContract):
        @pytest.fixture(scope="class")
        @classmethod
        def host_config(cls, tmp_path_factory):
            state = str(tmp_path_factory.mktemp("state"))
            return {"plugins": ["mine", "sql"], "runtime": "mine", "store": "sql", "state_dir": state}

        @pytest.fixture(scope="class")
        @classmethod
        def claims(cls):
            return Claims(enforces=frozenset(Clause), images=True)

What fails is told with the clause of the contract in words and the docstring that states it.
"""

from __future__ import annotations

from devbench_core.testing.kit.claims import Claims, Trait
from devbench_core.testing.kit.commands_bounds import CommandsBoundsContract
from devbench_core.testing.kit.commands_endings import CommandsEndingsContract
from devbench_core.testing.kit.commands_inputs import CommandsInputsContract
from devbench_core.testing.kit.commands_output import CommandsOutputContract
from devbench_core.testing.kit.commands_trees import CommandsTreesContract
from devbench_core.testing.kit.commands_users import CommandsUsersContract
from devbench_core.testing.kit.files_atomic import FilesAtomicContract
from devbench_core.testing.kit.files_batches import FilesBatchesContract
from devbench_core.testing.kit.files_changes import FilesChangesContract
from devbench_core.testing.kit.files_changing import FilesChangingContract
from devbench_core.testing.kit.files_edits import FilesEditsContract
from devbench_core.testing.kit.files_etags import FilesEtagsContract
from devbench_core.testing.kit.files_listing import FilesListingContract
from devbench_core.testing.kit.files_names import FilesNamesContract
from devbench_core.testing.kit.files_permissions import FilesPermissionsContract
from devbench_core.testing.kit.files_roots import FilesRootsContract
from devbench_core.testing.kit.files_searching import FilesSearchingContract
from devbench_core.testing.kit.files_shared_roots import FilesSharedRootsContract
from devbench_core.testing.kit.files_users import FilesUsersContract
from devbench_core.testing.kit.files_watching import FilesWatchingContract
from devbench_core.testing.kit.host_declared import HostDeclaredContract
from devbench_core.testing.kit.host_lives import HostLivesContract
from devbench_core.testing.kit.locks import LockContract
from devbench_core.testing.kit.providers import open_provider
from devbench_core.testing.kit.runtime_concurrency import RuntimeConcurrencyContract
from devbench_core.testing.kit.runtime_declared import RuntimeDeclaredContract
from devbench_core.testing.kit.runtime_images import RuntimeImagesContract
from devbench_core.testing.kit.runtime_isolation import RuntimeIsolationContract
from devbench_core.testing.kit.runtime_life_cycle import RuntimeLifeCycleContract
from devbench_core.testing.kit.runtime_lives import RuntimeLivesContract
from devbench_core.testing.kit.runtime_policy import RuntimePolicyContract
from devbench_core.testing.kit.runtime_powers import RuntimePowersContract
from devbench_core.testing.kit.runtime_streams import RuntimeStreamsContract
from devbench_core.testing.kit.scanner import ScannerContract
from devbench_core.testing.kit.store_dumps import StoreDumpsContract
from devbench_core.testing.kit.store_fences import StoreFencesContract
from devbench_core.testing.kit.store_logs import StoreLogsContract
from devbench_core.testing.kit.store_records import StoreRecordsContract
from devbench_core.testing.kit.tools import ToolContract


class StoreContract(  # pytest runs those of the last base first
    StoreDumpsContract, StoreFencesContract, StoreLogsContract, StoreRecordsContract
):
    """Everything that a state store promises. Needs the fixture ``open_store``."""


class RuntimeContract(  # pytest runs those of the last base first
    RuntimeConcurrencyContract,
    RuntimePowersContract,
    RuntimeImagesContract,
    RuntimeIsolationContract,
    RuntimePolicyContract,
    RuntimeStreamsContract,
    RuntimeLivesContract,
    RuntimeLifeCycleContract,
    RuntimeDeclaredContract,
):
    """Everything that a runtime promises. Needs the fixtures ``open_runtime``, ``claims`` and ``image``.

    ``devbench_core.testing.kit.runtime_opening.WithRuntime`` says which others may be given.
    """


class CommandsContract(  # pytest runs those of the last base first
    CommandsUsersContract,
    CommandsTreesContract,
    CommandsBoundsContract,
    CommandsOutputContract,
    CommandsInputsContract,
    CommandsEndingsContract,
    HostDeclaredContract,
):
    """Everything that commands promise on a runtime. Needs the fixtures ``host_config`` and ``claims``.

    ``devbench_core.testing.kit.host_opening.WithHost`` says which others may be given.
    """


class FilesContract(  # pytest runs those of the last base first
    FilesUsersContract,
    FilesSharedRootsContract,
    FilesRootsContract,
    FilesPermissionsContract,
    FilesWatchingContract,
    FilesSearchingContract,
    FilesBatchesContract,
    FilesChangingContract,
    FilesChangesContract,
    FilesEditsContract,
    FilesAtomicContract,
    FilesEtagsContract,
    FilesListingContract,
    FilesNamesContract,
    HostDeclaredContract,
):
    """Everything that files promise on a runtime. Needs the fixtures ``host_config`` and ``claims``.

    ``devbench_core.testing.kit.host_opening.WithHost`` says which others may be given.
    """


class HostContract(
    HostLivesContract, FilesContract, CommandsContract
):  # pytest runs those of the last base first
    """A whole host on a runtime: commands, files, and the lives of containers and of hosts.

    Needs the fixtures ``host_config`` and ``claims``; ``devbench_core.testing.kit.host_opening.WithHost`` says which
    others may be given.
    """


__all__ = [
    "Claims",
    "CommandsContract",
    "FilesContract",
    "HostContract",
    "LockContract",
    "RuntimeContract",
    "ScannerContract",
    "StoreContract",
    "StoreDumpsContract",
    "StoreFencesContract",
    "StoreLogsContract",
    "StoreRecordsContract",
    "ToolContract",
    "Trait",
    "open_provider",
]
