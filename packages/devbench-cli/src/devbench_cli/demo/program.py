"""The small program that the demo writes, its test, and the mended program: plain sh, which every image has."""

from __future__ import annotations

PROGRAM = "wordcount.sh"
TEST = "test_wordcount.sh"

BROKEN_LINE = "  words=$#"
MENDED_LINE = "  words=$((words + $#))"

BROKEN = f"""#!/bin/sh
# Counts the words on standard input.
set -f
words=0
while read -r line; do
  set -- $line
{BROKEN_LINE}
done
echo "$words"
"""
MENDED = BROKEN.replace(BROKEN_LINE, MENDED_LINE)

TEST_PROGRAM = f"""#!/bin/sh
failures=0
check() {{
  got=$(printf "$1" | sh {PROGRAM})
  if [ "$got" = "$2" ]; then
    echo "ok    $3"
  else
    echo "FAIL  $3: expected $2, got $got" >&2
    failures=$((failures + 1))
  fi
}}
check '' 0 'nothing has no words'
check 'one two three\\n' 3 'a line has three words'
check 'one two\\nthree four five\\n' 5 'two lines have five words'
[ "$failures" -eq 0 ]
"""

PASSED = ("ok    nothing has no words", "ok    a line has three words")
FAILED = "FAIL  two lines have five words: expected 5, got 3"
PASSED_AT_LAST = "ok    two lines have five words"
