"""Every error that devbench shows to a user, each with a stable ``code``.

Clients branch on ``code``; people read ``message`` and ``hint``. A code never changes its meaning and is
documented in the error reference (a test holds that). ``retry`` says whether the same call may succeed later
without anything having been changed by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

__all__ = [
    "AgentGone",
    "AgentMisbehaved",
    "AgentOutdated",
    "AgentSilent",
    "AgentUnavailable",
    "ArchiveRefused",
    "Cancelled",
    "CompositionFailed",
    "ConcurrencyLimit",
    "ConfigurationInvalid",
    "Conflict",
    "ContainerExited",
    "ContainerNotFound",
    "Details",
    "DevbenchError",
    "DumpRefused",
    "EditFailed",
    "EngineFailed",
    "EngineUnreachable",
    "ExecNotFound",
    "ExecPurged",
    "FileConflict",
    "FileFailed",
    "FileMissing",
    "ImageNotFound",
    "ImagePullFailed",
    "ImageRefused",
    "InputUnavailable",
    "LeaseLost",
    "NotEnforced",
    "NotFound",
    "OutcomeUnknown",
    "PathOutside",
    "PluginIncompatible",
    "PluginNotFound",
    "QuotaExceeded",
    "ShellBusy",
    "ShellElsewhere",
    "ShellEnded",
    "ShellIdle",
    "ShellNotFound",
    "StaleToken",
    "StoreFailed",
    "TaskNotFound",
    "TextInvalid",
    "TimedOut",
    "TooLarge",
    "Unauthorised",
    "ValidationFailed",
    "Vetoed",
]

Details = Mapping[str, object]


class DevbenchError(Exception):
    """The root of the hierarchy.

    Attributes:
        message: What happened, naming the thing it happened to.
        hint: What to do about it; may be empty when nothing can be done.
        details: Small JSON-compatible facts for programs, for example ``{"field": "ttl_s", "limit": 86400}``.
    """

    code: ClassVar[str] = "internal"
    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", details: Details | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, object] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ValidationFailed(DevbenchError):
    """The input is wrong; nothing was changed. ``details`` name the field and the limit."""

    code = "validation"

    def __init__(self, field: str, problem: str, *, hint: str = "", limit: object | None = None) -> None:
        details: dict[str, object] = {"field": field}
        if limit is not None:
            details["limit"] = limit
        super().__init__(f"{field}: {problem}", hint=hint, details=details)


class NotFound(DevbenchError):
    """Something that was named does not exist."""

    code = "not_found"


class ContainerNotFound(NotFound):
    """No container has this id or alias."""

    code = "container_not_found"


class ExecNotFound(NotFound):
    """No exec has this id in this container."""

    code = "exec_not_found"


class ExecPurged(NotFound):
    """The exec ended, and its record and output are kept no longer; ``details`` name when, and the setting."""

    code = "exec_purged"


class TaskNotFound(NotFound):
    """The caller has no task with this id, or it was forgotten some time after its end."""

    code = "task_not_found"


class ShellNotFound(NotFound):
    """No shell has this id."""

    code = "shell_not_found"


class ImageNotFound(NotFound):
    """The engine has no such image and may not or could not pull it."""

    code = "image_not_found"


class FileMissing(NotFound):
    """No file or folder is at this path."""

    code = "file_not_found"


class PluginNotFound(NotFound):
    """No plugin, provider or tool has this name."""

    code = "plugin_not_found"


class Conflict(DevbenchError):
    """A condition did not hold: an etag, a revision, a taken alias, or a reused idempotency key."""

    code = "conflict"


class ImageRefused(DevbenchError):
    """The operator's configuration does not allow this image."""

    code = "image_refused"


class ImagePullFailed(DevbenchError):
    """The registry or the engine could not deliver the image."""

    code = "image_pull_failed"
    retry = True


class ContainerExited(DevbenchError):
    """The container has ended; ``details`` hold its ending."""

    code = "container_exited"


class ConcurrencyLimit(DevbenchError):
    """As many commands as are allowed are already running."""

    code = "concurrency_limit"
    retry = True


class QuotaExceeded(DevbenchError):
    """The tenant has as many living containers as ``containers.per_tenant_max`` allows."""

    code = "quota_exceeded"


class InputUnavailable(DevbenchError):
    """A command takes no input: ``reason`` is ``ended``, ``no_stdin``, ``closed``, ``shell``, seldom ``elsewhere``."""

    code = "input_unavailable"


class ShellBusy(DevbenchError):
    """The shell has not finished what it was given last; ``details['run']`` is its number."""

    code = "shell_busy"
    retry = True


class ShellEnded(DevbenchError):
    """The shell is over: it was closed, ended itself, or was ended with its container or its run."""

    code = "shell_ended"


class ShellIdle(DevbenchError):
    """Nothing in the shell reads an input: no run that was started with one is under way."""

    code = "shell_idle"


class ShellElsewhere(DevbenchError):
    """The shell goes from host to host, and none of them that was asked follows it."""

    code = "shell_elsewhere"
    retry = True


class TimedOut(DevbenchError):
    """A wait reached its bound; ``details`` name the bound."""

    code = "timeout"
    retry = True


class OutcomeUnknown(DevbenchError):
    """A host may have begun with the call, and its answer did not come; whether it was done is not known."""

    code = "outcome_unknown"


class Cancelled(DevbenchError):
    """The operation was cancelled by somebody who may."""

    code = "cancelled"


class PathOutside(DevbenchError):
    """The path leads out of the workspace, or of the other root that it names; the hint lists the allowed ones."""

    code = "path_outside_workspace"


class TooLarge(DevbenchError):
    """A size is over a limit; ``details`` name the limit and its setting."""

    code = "too_large"


class FileConflict(Conflict):
    """The file changed since the caller saw it.

    ``details['etag']`` is the current etag, "" when absent; ``details['if_match']`` the one that was given, if any was.
    """

    code = "file_conflict"


class FileFailed(DevbenchError):
    """The container's file system refused; ``details['reason']`` is one of the reasons below.

    Reasons: ``is_directory``, ``not_directory``, ``exists``, ``permission_denied``, ``no_space``,
    ``read_only``, ``loop``, ``not_empty``, ``invalid``, ``limit``, ``io``, ``into_itself``, ``other_file_system``.
    """

    code = "file_failed"


class TextInvalid(DevbenchError):
    """The file is no text in this encoding; ``details`` name the position, and the line where it is known."""

    code = "invalid_text"


class EditFailed(DevbenchError):
    """An edit does not fit what the file holds; nothing was changed.

    ``details`` say which replacement or hunk it was, the file's ``etag``, and what is there instead.
    """

    code = "edit_failed"


class ArchiveRefused(DevbenchError):
    """An archive is not taken, and nothing was changed; ``details['reason']`` is one of the reasons below.

    Reasons: ``outside`` (a name leads out), ``link_outside`` (a link does), ``special`` (a device or a pipe),
    ``set_id``, ``type_change`` (one name as two kinds of things), ``name``, ``damaged``, ``unsupported``. ``entry``
    is the name of the entry.
    """

    code = "archive_refused"


class EngineUnreachable(DevbenchError):
    """The engine did not answer. Nothing is known about its containers, so nothing is destroyed."""

    code = "engine_unreachable"
    retry = True


class EngineFailed(DevbenchError):
    """The engine answered with an error of its own.

    Where it says that its disk is full, and devbench knows it, ``details['reason']`` is ``no_space``.
    """

    code = "engine_failed"


class AgentUnavailable(DevbenchError):
    """The agent in the container cannot be reached, or the channel was cut during the call."""

    code = "agent_unavailable"
    retry = True


class AgentMisbehaved(AgentUnavailable):
    """The agent broke the protocol; its channel was closed."""

    code = "agent_misbehaved"
    retry = False


class AgentOutdated(DevbenchError):
    """The container's agent is older than this devbench and cannot do this; a new container's can."""

    code = "agent_outdated"


class AgentSilent(AgentUnavailable):
    """A stream to the agent was opened, and nothing came: the agent is stopped or frozen, or its container starved."""

    code = "agent_silent"


class AgentGone(AgentUnavailable):
    """The agent that runs commands as another user has ended, and with it what it ran. The next command starts one."""

    code = "agent_gone"


class StoreFailed(DevbenchError):
    """The state store could not do its work; what was committed before is still there."""

    code = "store_failed"
    retry = True


class DumpRefused(DevbenchError):
    """A dump of a store is not taken, and nothing was changed; ``details['reason']`` is one of the reasons below.

    Reasons: ``format`` (it is none), ``version`` (a newer devbench made it), ``cut`` (its end is missing), ``damaged``.
    """

    code = "dump_refused"


class NotEnforced(DevbenchError):
    """A policy clause cannot be enforced here, so nothing was started. ``details['clauses']`` name them."""

    code = "capability_not_enforced"


class Unauthorised(DevbenchError):
    """The caller did not prove who it is, or lacks a scope."""

    code = "unauthorised"


class Vetoed(DevbenchError):
    """A reviewing plugin refused the operation; ``details`` name the clause."""

    code = "vetoed"


class LeaseLost(DevbenchError):
    """The lock was lost while held; the work that it protected must stop."""

    code = "lease_lost"
    retry = True


class StaleToken(LeaseLost):
    """The store refused a change of a lease that a later one superseded; ``details`` hold both tokens."""

    code = "stale_token"
    retry = False


class LockFailed(DevbenchError):
    """What keeps the locks did not answer or refused; nothing new is held."""

    code = "lock_failed"
    retry = True


class ConfigurationInvalid(DevbenchError):
    """The configuration cannot be used; each fault is named."""

    code = "configuration_invalid"


class CompositionFailed(DevbenchError):
    """The program cannot be put together; all faults are reported at once.

    Attributes:
        faults: One sentence a fault, each saying what to do.
    """

    code = "composition_failed"

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  - {fault}" for fault in faults)
        super().__init__(f"devbench cannot start:\n{lines}", details={"faults": list(faults)})


class PluginIncompatible(CompositionFailed):
    """A plugin that is to be used is made for another version of the plugin API, so it was not loaded.

    ``details['plugins']`` name each with its ``distribution``, ``version`` and entry-point ``group``,
    ``details['group']`` is the group of this devbench. The message has all other faults of the start-up too.
    """

    code = "plugin_incompatible"

    def __init__(
        self, faults: Sequence[str], plugins: Sequence[Mapping[str, object]] = (), *, group: str = ""
    ) -> None:
        super().__init__(faults)
        self.details.update(plugins=[dict(plugin) for plugin in plugins], group=group)
