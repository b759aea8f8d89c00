"""What every client's model reads first."""

INSTRUCTIONS = """\
devbench gives you isolated containers with a workspace at /workspace. The workflow:
1. `spawn` a container (or `list_containers` and `attach` to one of earlier work); keep its `id`.
2. `fs_write` the files you need; paths are relative to the workspace; folders are made.
3. `run` a command for output and ending: `argv` is a list, no shell; use ["sh", "-c", "…"] for pipes and &&.
4. Long ones go on: `exec_poll` with `cursor` as `after` and a `wait_s`; or `exec_start`, which returns at once.
5. `ended` true: look at `ending.reason` and `ending.exit_code`. Too long? `exec_cancel` ends the whole process tree.
6. `fs_read`, `fs_list`, `fs_stat` show results; give the `etag` as `if_match` to `fs_write` to change a file safely.
7. Errors have a code, a hint and "retry": repeat the same call only when retry says yes; else do what the hint says.
8. Commands and containers outlive your connection: come back with `attach`, poll again from your last cursor.
9. There is no network and no root by default; `status` shows limits and what is enforced, `images` what to spawn from.
10. `kill` the container when you are done; its files are gone then, so read what you need first.
"""
