"""What runs in the container: a loop in the shell's own language, given as an argument, so that no file is needed.

The shell has the side stream as descriptor 3. From it the loop reads a line with the number of lines of the script and
whether its programs have an input, then the script; it runs that itself, so that everything which the script changes
stays, and with the side stream closed, so that nothing which the script starts or prints has it. Only then it reads the
secret that its report must hold, which so is in no variable while the script runs. An empty line says that a script is
about to begin: to interrupt it before that would be in vain.

INT ends the script and not the shell. In sh an error in the trap unwinds what `command eval` runs. bash would exit;
there the script is a sourced one, and a DEBUG trap returns from each function, loop and file that it is in.
"""

from __future__ import annotations

import re

from devbench_core.model.shell import ShellKind
from devbench_core.values import frozen

SH = r"""set --
exec 8<&3 3<&-
__devbench_o=
__devbench_nl='
'
__devbench_b='trap "__devbench_i=130; { : \"\${__devbench_no:?}\"; } 2>/dev/null" INT
command eval "$__devbench_s"
{ __devbench_r=$?; trap : INT; } 2>/dev/null'
trap : INT
while :; do
  while :; do
    IFS= command read -r __devbench_h <&8 && break
    [ $? -gt 128 ] || exit 0
  done
  __devbench_n=${__devbench_h% *} __devbench_s=$__devbench_o
  while [ "$__devbench_n" -gt 0 ]; do
    IFS= command read -r __devbench_l <&8 || exit 0
    __devbench_s=$__devbench_s$__devbench_l$__devbench_nl
    __devbench_n=$((__devbench_n - 1))
  done
  __devbench_i= __devbench_r=130
  command echo >&8
  case ${__devbench_h#* } in
    0) command eval "$__devbench_b" 8<&- </dev/null ;;
    *) command eval "$__devbench_b" 8<&- ;;
  esac
  {
    trap : INT
    __devbench_o=
    case $- in *e*) __devbench_o=e ;; esac
    case $- in *u*) __devbench_o=${__devbench_o}u ;; esac
    case $- in *x*) __devbench_o=${__devbench_o}x ;; esac
    set +eux
    __devbench_o=${__devbench_o:+set -$__devbench_o$__devbench_nl}
  } 2>/dev/null
  IFS= command read -r __devbench_h <&8 || exit 0
  {
    command printf '\n%s %s sh ' "$__devbench_h" "${__devbench_i:-$__devbench_r}"
    command pwd 2>/dev/null || command echo
    command printf '%s.\n' "$__devbench_h"
  } >&8
done
"""

BASH = r"""set --
exec {__devbench_f}<&3 3<&-
__devbench_o=
trap : INT
while :; do
  while :; do
    IFS= builtin read -r -u "$__devbench_f" __devbench_h && break
    [[ $? -gt 128 ]] || exit 0
  done
  __devbench_n=${__devbench_h% *} __devbench_s="exec {__devbench_t}<&-$__devbench_o"$'\n'
  while [[ $__devbench_n -gt 0 ]]; do
    IFS= builtin read -r -u "$__devbench_f" __devbench_l || exit 0
    __devbench_s+=$__devbench_l$'\n'
    __devbench_n=$((__devbench_n - 1))
  done
  exec {__devbench_t}<<<"$__devbench_s"
  __devbench_i= __devbench_r=
  [[ ${__devbench_h#* } == 1 ]] || __devbench_r='</dev/null'
  builtin echo >&"$__devbench_f"
  builtin eval "trap '__devbench_i=130; set -T; trap \"return 130\" DEBUG' INT
. /dev/fd/$__devbench_t $__devbench_f<&- $__devbench_r"
  {
    __devbench_r=$?
    trap : INT
    [[ -z $__devbench_i ]] || { trap - DEBUG; set +T; }
    __devbench_o=
    case $- in *e*) __devbench_o=e ;; esac
    case $- in *u*) __devbench_o+=u ;; esac
    case $- in *x*) __devbench_o+=x ;; esac
    set +eux
    __devbench_o=${__devbench_o:+; set -$__devbench_o}
  } 2>/dev/null
  IFS= builtin read -r -u "$__devbench_f" __devbench_h || exit 0
  {
    builtin printf '\n%s %s bash ' "$__devbench_h" "${__devbench_i:-$__devbench_r}"
    builtin pwd 2>/dev/null || builtin echo
    builtin printf '%s.\n' "$__devbench_h"
  } >&"$__devbench_f"
done
"""

CHOOSE = 'command -v bash >/dev/null 2>&1 && exec bash --noprofile --norc -c "$1" bash; eval "$2"'
REPORT_MAX_BYTES = 16 * 1024  # more than a path and what surrounds it


def argv_of(kind: ShellKind) -> tuple[str, ...]:
    """Return the command that is a shell with its loop."""
    match kind:
        case ShellKind.BASH:
            return ("bash", "--noprofile", "--norc", "-c", BASH, "bash")
        case ShellKind.SH:
            return ("sh", "-c", SH, "sh")
        case ShellKind.AUTO:
            return ("sh", "-c", CHOOSE, "sh", BASH, SH)


def frame_of(script: str, secret: str, *, interactive: bool) -> bytes:
    """Return what the loop reads for one run."""
    text = script if script.endswith("\n") else script + "\n"
    return f"{text.count(chr(10))} {int(interactive)}\n{text}{secret}\n".encode()


def filler_of(size: int, secret: str) -> bytes:
    """Return what the loop reads for a run that does nothing, in exactly as many bytes as some other one."""
    return frame_of("#" * (size - len(frame_of("", secret, interactive=False))), secret, interactive=False)


@frozen
class Report:
    """What the loop says of a run: exit code, program and directory; and whether that run was the filler."""

    exit_code: int
    program: str
    cwd: str
    is_filler: bool = False


class Reports:
    """Finds a run's report in what comes on the side stream; whatever else is there is skipped.

    Args:
        secret: Of the run.
        filler: Of the run that does nothing in its place, "" when there is none.
    """

    def __init__(self, secret: str, filler: str = "") -> None:
        words = b"|".join([re.escape(word.encode()) for word in (secret, filler) if word])
        self._filler = filler.encode()
        self._form = re.compile(rb"\n(" + words + rb") (\d{1,3}) (bash|sh) (.*)\n\1\.\n", re.DOTALL)
        self._seen = b""

    def feed(self, data: bytes) -> Report | None:
        """Take more of the stream; return the report when it is complete."""
        self._seen = (self._seen + data)[-REPORT_MAX_BYTES - len(data) :]
        found = self._form.search(self._seen)
        if found is None:
            return None
        secret, code, program, cwd = found.groups()
        return Report(
            exit_code=int(code) & 255,
            program=program.decode(),
            cwd=cwd.decode(errors="replace"),
            is_filler=secret == self._filler,
        )
