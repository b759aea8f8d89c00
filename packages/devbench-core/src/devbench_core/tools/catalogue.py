"""The built-in tools: names, descriptions that teach an agent, hints and scopes."""

from __future__ import annotations

from devbench_core.tool import Tool, ToolHints
from devbench_core.tools.base import EXEC, MANAGE, READ, WRITE
from devbench_core.tools.fs_change_catalogue import CHANGE_TOOLS

LOOKS = ToolHints(read_only=True, destructive=False, idempotent=True, open_world=False)
ADDS = ToolHints(read_only=False, destructive=False, idempotent=False, open_world=False)
RENEWS = ToolHints(read_only=False, destructive=False, idempotent=True, open_world=False)
ENDS = ToolHints(read_only=False, destructive=True, idempotent=True, open_world=False)
OVERWRITES = ENDS
FETCHES = ToolHints(read_only=False, destructive=False, idempotent=False, open_world=True)
"""May pull an image from a registry."""
RUNS_ANYTHING = ToolHints(read_only=False, destructive=True, idempotent=False, open_world=True)
"""A command may do whatever its container allows."""

CONTAINER_TOOLS = (
    Tool(
        name="spawn",
        title="Spawn a container",
        description=(
            "Make an isolated container with an empty workspace at /workspace, ready for commands when this "
            "returns. Use it once at the beginning of a piece of work; use `list_containers` and `attach` to go "
            "on with one that exists. Returns `container` (use its `id`, or the alias that you gave, as "
            "`container` everywhere) and `replayed`. Give an `idempotency_key` so that you can repeat the call "
            "when its answer is lost. There is no network unless policy.network allows it. Next: `fs_write` "
            "files, `exec_start` commands; at the end `kill` it."
        ),
        input="devbench_core.tools.containers:SpawnInput",
        output="devbench_core.tools.containers:SpawnOutput",
        hints=FETCHES,
        scope=MANAGE,
        handler="devbench_core.tools.containers:spawn",
    ),
    Tool(
        name="attach",
        title="Attach to a container",
        description=(
            "Go on with a container that exists, for example after a restart of yours. Records your interest "
            "under `client` and `session` and returns what you need: the container, its commands that still "
            "run, and the workspace's root. Repeating it is harmless. Next: `exec_poll` the running commands "
            "with `after` 0 for all their output, or start new ones."
        ),
        input="devbench_core.tools.containers:AttachInput",
        output="devbench_core.tools.containers:AttachOutput",
        hints=RENEWS,
        scope=READ,
        handler="devbench_core.tools.containers:attach",
    ),
    Tool(
        name="kill",
        title="Kill a container",
        description=(
            "End a container, everything that runs in it and all its files, for good. Use it when the work is "
            "done; copy results out with `fs_read` first. Returns its record with the ending, which `inspect` "
            "shows for days afterwards. Killing it again changes nothing and returns the first ending."
        ),
        input="devbench_core.tools.containers:KillInput",
        output="devbench_core.tools.containers:KillOutput",
        hints=ENDS,
        scope=MANAGE,
        handler="devbench_core.tools.containers:kill",
    ),
    Tool(
        name="inspect",
        title="Inspect a container",
        description=(
            "Show everything about one container: record, isolation, what the engine shows now, running "
            "commands, and, when it has ended, why, when and by whom. Use it when a call failed with "
            "`container_exited` or when something is odd. Status `unknown` means that the engine does not "
            "answer: nothing is lost, try again."
        ),
        input="devbench_core.tools.containers:InspectInput",
        output="devbench_core.tools.containers:InspectOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.containers:inspect",
    ),
    Tool(
        name="list_containers",
        title="List containers",
        description=(
            "List your containers, living ones by default, a page at a time; filter by labels. Use it to find a "
            "container of earlier work before you spawn a new one. When `cursor` is not empty, call again with "
            "it as `after`. Next: `attach` or `inspect`."
        ),
        input="devbench_core.tools.container_lists:ListContainersInput",
        output="devbench_core.tools.container_lists:ListContainersOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.container_lists:list_containers",
    ),
)

EXEC_TOOLS = (
    Tool(
        name="run",
        title="Run a command",
        description=(
            "Run a command in a container and return its output and ending together: the way for most commands. "
            '`argv` is a list and there is no shell: for pipes, globs or && use ["sh", "-c", "…"]. When it has '
            "not ended after `wait_s` it goes on: `ended` is false, and `exec_poll` with the `cursor` as `after` "
            "continues. Of much output you get the beginning and the end; `left_out_after` tells how to read "
            "the rest. A failing command is a result, not an error: look at `ending.exit_code`. Give an "
            "`idempotency_key` to what must not run twice when the answer is lost and you repeat the call."
        ),
        input="devbench_core.tools.run:RunInput",
        output="devbench_core.tools.run:RunOutput",
        hints=RUNS_ANYTHING,
        scope=EXEC,
        handler="devbench_core.tools.run:run",
    ),
    Tool(
        name="exec_start",
        title="Start a command",
        description=(
            "Start a command in a container and return at once with its `exec.id`; it goes on even when your "
            "connection breaks. `argv` is a list and there is no shell: for pipes, globs or && use "
            '["sh", "-c", "…"]. Next: `exec_poll` with `until` "end" and a `wait_s` to get output and exit code '
            "of a short command in one call; poll with the `cursor` for a long one. A few commands may run at "
            "once; `concurrency_limit` means: wait for one to end, `exec_cancel` one, or give `queue_s`. Give an "
            "`idempotency_key` to what must not run twice when the answer is lost and you repeat the call. For a "
            "program that is talked to, give `tty` or `open_stdin` and use `exec_input`."
        ),
        input="devbench_core.tools.execs:ExecStartInput",
        output="devbench_core.tools.execs:ExecStartOutput",
        hints=RUNS_ANYTHING,
        scope=EXEC,
        handler="devbench_core.tools.execs:exec_start",
    ),
    Tool(
        name="exec_poll",
        title="Read a command's output",
        description=(
            "Return a command's output after a cursor, in order and each byte once, and its ending when the "
            "page reaches it. Begin with `after` 0, then give the returned `cursor`; polling an old cursor again "
            "returns the same output. Go on until `ended` is true, then look at `ending.exit_code`. Set `wait_s` "
            "instead of polling in a loop. `lost_bytes` says how much of a flood of output was dropped. Works "
            "for ended commands too, until they are purged (`exec_purged`). Giving up this call does not end the "
            "command."
        ),
        input="devbench_core.tools.execs:ExecPollInput",
        output="devbench_core.tools.execs:ExecPollOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.execs:exec_poll",
    ),
    Tool(
        name="exec_wait",
        title="Wait for a command",
        description=(
            "Wait until a command ends, at most `wait_s`, and return its state and ending without output. Use "
            "it when you do not need the output yet. `ended` false means that it still runs: call again, or "
            "`exec_poll` to see what it says, or `exec_cancel`. Giving up this call does not end the command."
        ),
        input="devbench_core.tools.execs:ExecWaitInput",
        output="devbench_core.tools.execs:ExecWaitOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.execs:exec_wait",
    ),
    Tool(
        name="exec_cancel",
        title="Cancel a command",
        description=(
            "End a command with everything it started: TERM, a grace, then KILL; returns when nothing of it is "
            "left. A command that has ended already keeps its ending. Its output stays there for `exec_poll`."
        ),
        input="devbench_core.tools.execs:ExecCancelInput",
        output="devbench_core.tools.execs:ExecCancelOutput",
        hints=ENDS,
        scope=EXEC,
        handler="devbench_core.tools.execs:exec_cancel",
    ),
    Tool(
        name="exec_signal",
        title="Signal a command",
        description=(
            "Send a signal to a running command, for example INT as Ctrl-C does, HUP to make a server read its "
            "configuration again, or USR1. To end a command for sure use `exec_cancel`. Returns `sent`; false "
            "means that it does not run any more. Whether it then does anything is the command's affair: look with "
            "`exec_poll`."
        ),
        input="devbench_core.tools.execs:ExecSignalInput",
        output="devbench_core.tools.execs:ExecSignalOutput",
        hints=RUNS_ANYTHING,
        scope=EXEC,
        handler="devbench_core.tools.execs:exec_signal",
    ),
    Tool(
        name="exec_input",
        title="Give a command input",
        description=(
            "Give text or bytes to a running command that was started with `tty` or `open_stdin`; then `exec_poll` "
            "for what it answers. What is taken arrives in order. When the command does not read within `wait_s`, "
            "`complete` is false and the bytes after `accepted_bytes` were not given: call again with them. "
            "`input_unavailable` says why it takes none: it ended, has no open input, or another host holds it."
        ),
        input="devbench_core.tools.execs:ExecInputInput",
        output="devbench_core.tools.execs:ExecInputOutput",
        hints=RUNS_ANYTHING,
        scope=EXEC,
        handler="devbench_core.tools.execs:exec_input",
    ),
    Tool(
        name="exec_resize",
        title="Resize a command's terminal",
        description=(
            "Set the size of the terminal of a command that was started with `tty`; the program in its foreground is "
            "told (SIGWINCH) and most draw anew. `resized` is false when the command does not run any more."
        ),
        input="devbench_core.tools.execs:ExecResizeInput",
        output="devbench_core.tools.execs:ExecResizeOutput",
        hints=RUNS_ANYTHING,
        scope=EXEC,
        handler="devbench_core.tools.execs:exec_resize",
    ),
    Tool(
        name="exec_list",
        title="List a container's commands",
        description=(
            "Return the commands of a container with their state and ending, the oldest first. Use it to find "
            "the ids of commands that were started before, by you or by others, then `exec_poll` them with "
            "`after` 0 for their output. Works for ended containers too."
        ),
        input="devbench_core.tools.execs:ExecListInput",
        output="devbench_core.tools.execs:ExecListOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.execs:exec_list",
    ),
)

SHELL_TOOLS = (
    Tool(
        name="shell_open",
        title="Open a shell",
        description=(
            "Open a shell that stays: what a script changes in it (directory, variables, functions, options, "
            "background jobs) is there for the next. Use it when steps build on each other; for a single command "
            "`run` is simpler. It counts as one of the container's commands, and is closed when nothing is asked of "
            "it for long. Next: `shell_run`; at the end `shell_close`."
        ),
        input="devbench_core.tools.shells:ShellOpenInput",
        output="devbench_core.tools.shells:ShellOpenOutput",
        hints=ADDS,
        scope=EXEC,
        handler="devbench_core.tools.shells:shell_open",
    ),
    Tool(
        name="shell_run",
        title="Run a script in a shell",
        description=(
            "Run a script in an open shell, wait for its end, and return its exit code and its own output. One at a "
            "time: `shell_busy` means that the last still runs. If `ended` is false when `wait_s` is over it goes on: "
            "`shell_read` from `cursor`, or `shell_cancel`. At its time limit it is interrupted as by Ctrl-C, then "
            "killed, without its background jobs if that suffices; `shell_kept` says whether the shell survived "
            "that. For a program that asks, set `interactive` and a short `wait_s`, then use `shell_input` and "
            "`shell_read`. Without `interactive` programs meet the end of their input at once."
        ),
        input="devbench_core.tools.shell_runs:ShellRunInput",
        output="devbench_core.tools.shell_runs:ShellRunOutput",
        hints=RUNS_ANYTHING,
        scope=EXEC,
        handler="devbench_core.tools.shell_runs:shell_run",
    ),
    Tool(
        name="shell_input",
        title="Type into a shell's program",
        description=(
            "Send text to the program that an interactive `shell_run` started and that still runs. Returns `cursor`: "
            "give it to `shell_read` as `after` for what it answers. There is no terminal, so programs show no "
            "prompt unless told to, as by python3 -i, and no key has a special meaning: interrupt with `shell_cancel`."
        ),
        input="devbench_core.tools.shell_talk:ShellInputInput",
        output="devbench_core.tools.shell_talk:ShellInputOutput",
        hints=RUNS_ANYTHING,
        scope=EXEC,
        handler="devbench_core.tools.shell_talk:shell_input",
    ),
    Tool(
        name="shell_read",
        title="Read a shell's output",
        description=(
            "Return a shell's output after a cursor: until one of the texts in `until` comes, for example a prompt, or "
            "an expression of `until_regex` matches, or until it is quiet for `quiet_s`, the run ends or `wait_s` is "
            "over; `stopped_by` says which. Use it after `shell_input`, for a run that goes on, and for what "
            "background jobs said between runs."
        ),
        input="devbench_core.tools.shell_talk:ShellReadInput",
        output="devbench_core.tools.shell_talk:ShellReadOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.shell_talk:shell_read",
    ),
    Tool(
        name="shell_cancel",
        title="Cancel a shell's run",
        description=(
            "End the script that a shell is busy with, as its time limit would, and return it when it has ended. The "
            "shell is kept when that is possible: see `shell_kept`. Harmless when the shell is idle."
        ),
        input="devbench_core.tools.shells:ShellCancelInput",
        output="devbench_core.tools.shells:ShellCancelOutput",
        hints=ENDS,
        scope=EXEC,
        handler="devbench_core.tools.shells:shell_cancel",
    ),
    Tool(
        name="shell_close",
        title="Close a shell",
        description=(
            "End a shell with everything that it started, also its background jobs. Use it when you need it no more: "
            "it takes the place of a command. Its output can still be read. Closing it again changes nothing."
        ),
        input="devbench_core.tools.shells:ShellCloseInput",
        output="devbench_core.tools.shells:ShellCloseOutput",
        hints=ENDS,
        scope=EXEC,
        handler="devbench_core.tools.shells:shell_close",
    ),
    Tool(
        name="shell_list",
        title="List a container's shells",
        description=(
            "Return the shells of a container, the oldest first, with their state, directory and newest run. Use it "
            "to find a shell again after a restart of yours."
        ),
        input="devbench_core.tools.shells:ShellListInput",
        output="devbench_core.tools.shells:ShellListOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.shells:shell_list",
    ),
)

FILE_TOOLS = (
    Tool(
        name="fs_read",
        title="Read a file",
        description=(
            "Read a file of the workspace, or a piece of it: text when it is UTF-8 (or in the `encoding` that you "
            "give), else base64. For lines give `first_line` (negative: from the end) and `lines`. Returns the "
            "`etag` too: give it as `if_match` to `fs_edit` or `fs_write` to change the file only if nobody else "
            "did. When `next_line` or `next_offset` is there, the file goes on: read again from it."
        ),
        input="devbench_core.tools.files:FsReadInput",
        output="devbench_core.tools.files:FsReadOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.files:fs_read",
    ),
    Tool(
        name="fs_write",
        title="Write a file",
        description=(
            "Replace a whole file, or make it, in one atomic step; readers see the old or the new content, never "
            "a mix. Give `text`, or `base64` for bytes. With `if_match` (the etag of your last read) it is "
            "refused as `file_conflict` when the file changed since: read again, redo your change, write again. "
            "`create_only` refuses to overwrite, `append` adds to the end. Missing folders are made. To change a "
            "part of a file use `fs_edit`."
        ),
        input="devbench_core.tools.files:FsWriteInput",
        output="devbench_core.tools.files:FsWriteOutput",
        hints=OVERWRITES,
        scope=WRITE,
        handler="devbench_core.tools.files:fs_write",
    ),
    Tool(
        name="fs_list",
        title="List a folder",
        description=(
            "List what is directly in a folder (the workspace's root by default), with types, sizes and etags, "
            "sorted by name, a page at a time; with `recursive` or `depth` the tree beneath it. When `cursor` is not "
            "empty, call again with it as `after`. To find files by name use `fs_glob`."
        ),
        input="devbench_core.tools.files:FsListInput",
        output="devbench_core.tools.files:FsListOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.files:fs_list",
    ),
    Tool(
        name="fs_glob",
        title="Find files by name",
        description=(
            "Find files and folders by a pattern, with types, sizes and etags, a page at a time: * and ? stay "
            "within a name, ** is any number of folders, [a-z] and {a,b} work as in a shell. Works in every "
            "image. When `cursor` is not empty, call again with it as `after`; a page may be empty and have one. "
            "Next: `fs_read`."
        ),
        input="devbench_core.tools.fs_search:FsGlobInput",
        output="devbench_core.tools.fs_search:FsGlobOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.fs_search:fs_glob",
    ),
    Tool(
        name="fs_grep",
        title="Search in files",
        description=(
            "Find the lines of files that match a regular expression (or plain text with `literal`), as grep -rn "
            "does, next to the files and in every image: `text` has path:line:text. Choose files with `include`, "
            "`exclude` and `gitignore`; `mode` names or counts shows less. Binary files are left out. When `cursor` is "
            "not empty there may be more: call again with it as `after`. `notes` says what was left out. The etags are "
            "those of fs_read: use them as `if_match`."
        ),
        input="devbench_core.tools.fs_search:FsGrepInput",
        output="devbench_core.tools.fs_search:FsGrepOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.fs_search:fs_grep",
    ),
    Tool(
        name="fs_stat",
        title="Look at a path",
        description=(
            "Tell type, size, mode, time and etag of what is at a path, without reading it. "
            "`file_not_found` when nothing is there."
        ),
        input="devbench_core.tools.files:FsStatInput",
        output="devbench_core.tools.files:FsStatOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.files:fs_stat",
    ),
    Tool(
        name="fs_delete",
        title="Delete a file or folder",
        description=(
            "Delete a file, a link (not what it points to) or a folder; a folder that is not empty needs "
            "`recursive`. With `if_match` a file is deleted only when it still has that etag."
        ),
        input="devbench_core.tools.files:FsDeleteInput",
        output="devbench_core.tools.files:FsDeleteOutput",
        hints=OVERWRITES,
        scope=WRITE,
        handler="devbench_core.tools.files:fs_delete",
    ),
    Tool(
        name="fs_watch",
        title="Watch for changes of files",
        description=(
            "Tell what was created, modified, deleted or moved beneath a folder (or of one file) since a cursor, "
            "waiting for the first change. Call it once without `cursor` to get one, then again and again with the "
            "last `cursor`: nothing in between is missed, also after a pause of some minutes; else `rescan` is true, "
            "then look at the folder with `fs_list`."
        ),
        input="devbench_core.tools.fs_watch:FsWatchInput",
        output="devbench_core.tools.fs_watch:FsWatchOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.fs_watch:fs_watch",
    ),
    Tool(
        name="fs_link",
        title="Get an address for a large file",
        description=(
            "Make a short-lived HTTP address for what is too large for a result: download or upload a file of any "
            "size, export a folder as an archive or import one (all of it or nothing). Whoever has the `url` can "
            "use it until it expires, so give it only to whom it is for; `command` shows how. Only over HTTP."
        ),
        input="devbench_core.tools.fs_link:FsLinkInput",
        output="devbench_core.tools.fs_link:FsLinkOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.fs_link:fs_link",
    ),
)

BATCH_TOOLS = (
    Tool(
        name="fs_batch",
        title="Change several files at once",
        description=(
            "Write, edit, delete and move several files and make folders, all of it in order or nothing: the way "
            "for a change that spans files. When one operation cannot be done, nothing is changed and the error "
            "says which (from 0). With `if_match` (the etag of your last read) on writes, deletes and "
            "moves, nobody else's change is lost. Missing folders are made. Returns the new etags. Processes in "
            "the container see each file whole, and the files one after the other."
        ),
        input="devbench_core.tools.fs_batch:FsBatchInput",
        output="devbench_core.tools.fs_batch:FsBatchOutput",
        hints=OVERWRITES,
        scope=WRITE,
        handler="devbench_core.tools.fs_batch:fs_batch",
    ),
    Tool(
        name="fs_import",
        title="Unpack an archive",
        description=(
            "Unpack a tar, tar.gz, tar.zst or zip, given as base64 or, when it is larger, as a file of the workspace, "
            "beneath a folder (the workspace's root by default): all of it or nothing. Refused as `archive_refused` "
            "when an entry would leave the folder, is a device, or is damaged; as `too_large` when it unpacks to more "
            "than is allowed. Files of the same names are replaced unless `overwrite` is false."
        ),
        input="devbench_core.tools.fs_batch:FsImportInput",
        output="devbench_core.tools.fs_batch:FsImportOutput",
        hints=OVERWRITES,
        scope=WRITE,
        handler="devbench_core.tools.fs_batch:fs_import",
    ),
    Tool(
        name="fs_export",
        title="Pack a folder or file",
        description=(
            "Return a folder or file of the workspace as a tar, tar.gz, tar.zst or zip in base64, small enough for "
            "one message (512 KiB; else `too_large`). A larger one goes to a new file of the workspace, `target`, "
            "which is then read in parts with `fs_read` and deleted; or over `fs_link`. Each file "
            "in it is as it was at one moment; links are links. To read single files use `fs_read`."
        ),
        input="devbench_core.tools.fs_batch:FsExportInput",
        output="devbench_core.tools.fs_batch:FsExportOutput",
        hints=ADDS,
        scope=READ,
        handler="devbench_core.tools.fs_batch:fs_export",
    ),
)

HOST_TOOLS = (
    Tool(
        name="images",
        title="List images",
        description=(
            "List the images that are here and allowed, the default one, and the short names that `spawn` "
            "knows. Another image may be pulled by `spawn` when the operator allows it. On a runtime without "
            "images of its own the list shows what it can start from, for example `host`."
        ),
        input="devbench_core.tools.host:ImagesInput",
        output="devbench_core.tools.host:ImagesOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.host:images",
    ),
    Tool(
        name="status",
        title="Show the host's status",
        description=(
            "Say what this devbench is and can: versions, the runtime and whether it answers, which policy "
            "clauses it enforces and why others not, limits that you meet, plugins, your scopes, counts. Use it "
            "when a call fails for a reason of the host, or to learn the limits first."
        ),
        input="devbench_core.tools.host:StatusInput",
        output="devbench_core.tools.host:StatusOutput",
        hints=LOOKS,
        scope=READ,
        handler="devbench_core.tools.host:status",
    ),
)

TOOLS = (
    *CONTAINER_TOOLS,
    *EXEC_TOOLS,
    *SHELL_TOOLS,
    *FILE_TOOLS,
    *CHANGE_TOOLS,
    *BATCH_TOOLS,
    *HOST_TOOLS,
)
