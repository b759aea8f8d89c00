"""What every client's model reads first."""

INSTRUCTIONS = """\
devbench gives you isolated containers with a workspace at /workspace. The workflow:
1. `spawn` a container (or `list_containers` and `attach` to one of earlier work); keep its `id`.
2. `fs_write` the files you need; paths are relative to the workspace; folders are made.
3. `exec_start` a command: `argv` is a list, no shell; use ["sh", "-c", "…"] for pipes and &&. It returns at once.
4. `exec_poll` with `until` "end" and `wait_s` 30 for output and ending; for long ones give `cursor` as `after`.
5. `ended` true: look at `ending.reason` and `ending.exit_code`. Too long? `exec_cancel` ends the whole process tree.
6. `fs_read`, `fs_list`, `fs_stat` show results; give the `etag` as `if_match` to `fs_write` to change a file safely.
7. Errors have a code, a hint and "retry": repeat the same call only when retry says yes; else do what the hint says.
8. Commands and containers outlive your connection: come back with `attach`, poll again from your last cursor.
9. There is no network and no root by default; `status` shows limits and what is enforced, `images` what to spawn from.
10. `kill` the container when you are done; its files are gone then, so read what you need first.
"""
