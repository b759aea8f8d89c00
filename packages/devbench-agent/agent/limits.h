/* Every bound of the agent, by the names that the protocol's page uses. */
#pragma once

#define PROTOCOL_MAJOR 1u
#define PROTOCOL_MINOR 0u

#define HEADER_BYTES 10u
#define PAYLOAD_EARLY 4096u
#define PAYLOAD_MAX (256u * 1024u)
#define PAYLOAD_START (4u * 1024u * 1024u)
#define DATA_MAX (64u * 1024u)
#define PING_MAX 64u
#define INSTANCE_MAX 128u

#define CHANNELS_MAX 8
#define PENDING_MAX 8
#define AUTH_SECONDS 10
#define OUT_HIGH (64u * 1024u)
#define IN_BYTES (PAYLOAD_START + HEADER_BYTES + 256u * 1024u)
#define IN_KEEP (256u * 1024u)
/* The worst single step adds one frame; a margin keeps the small asynchronous ones from ever failing. */
#define OUT_BYTES (OUT_HIGH + 2u * PAYLOAD_MAX)
#define SOCKET_CHECK_MS 5000

#define EXECS_LIVE_MAX 64
#define EXECS_MAX 320
#define KEY_MAX 64u
#define ARGS_MAX 65536u
#define CWD_MAX 4095u
#define SPOOL_DEFAULT (1024u * 1024u)
#define SPOOL_MIN 65536u
#define SPOOL_MAX (8u * 1024u * 1024u)
#define SPOOL_TOTAL (16u * 1024u * 1024u)
#define SPOOL_BLOCK 65536u
#define SPOOL_CACHE 4
#define SEGMENTS_MAX 4096u
#define STDIN_WINDOW 65536u
#define DRAIN_MAX (1024u * 1024u)
#define KILL_SECONDS 30
#define KILL_PASS_MS 5
#define HANG_UP_AGAIN_MS 100
#define KILL_SLOW_MS 1000
#define STOP_ROUNDS 12
#define STOP_GRACE_MS 200
#define STOP_TOTAL_MS 2000
#define STOP_TELL_MS 100 /* for hosts to take the last output and endings */
#define OOM_SCORE_RAISE 500
#define STARTED_HOLD_MS 1
#define GATHER_MS 1
#define PROCESSES_MAX 65536u
#define KEEPERS_SPARE 4
#define KEEPER_SPARE_SECONDS 60
#define HANDED_OVER_MAX 65536u
#define ORDER_SMALL 65536u

#define JOBS_MAX 64
#define DIR_LIMIT 1000u
#define PATH_BYTES 4095u
#define NAME_BYTES 255u
#define LINKS_MAX 40
#define ROOTS_MAX 8 /* beside the workspace */
#define ETAG_MAX 64u
#define SETTLE_TRIES 4
#define PUT_BACK_TRIES 8
#define TEMP_PREFIX ".devbench-tmp-"
/* The sweep at the start (job_sweep.c). */
#define SWEEP_DEPTH (PATH_BYTES / 2 + 2) /* levels of folders; what lies deeper has no path that a request could name */
#define SWEEP_HELD 16u                   /* of these the folders stay open; from deeper ones the way back is ".." */
#define SWEEP_STEP_US 500u               /* work at a time, and … */
#define SWEEP_REST_MS 1u                 /* … the rest that follows, in which requests go on */
#define SWEEP_YOUNG_MS 20                /* what changed just now may be another agent's that has not locked it yet */
#define SWEEP_PASSES 3u                  /* while something was removed, or is held by another agent that may be dying */
#define SWEEP_AGAIN_MS 50u               /* before the second pass; 40 times that before the third */
#define SWEEP_AGAIN_FACTOR 40u
#define SWEEP_FOLDER_SECONDS 120u        /* to take one folder apart: some process may fill it again and again */
#define SWEEP_SECONDS 3600u              /* in all; the rest is for the next start */

#define OBSERVERS_MAX 8
#define OBSERVED_FOLDERS_MAX 8192u
#define OBSERVER_LINGER_SECONDS 300
#define CHANGES_BYTES (256u * 1024u)
#define CHANGES_LIMIT 1000u
#define DEBOUNCE_MAX_MS 10000u
#define WATCH_WAIT_MAX_MS 120000u
#define COPY_PREFIX TEMP_PREFIX "copy-" /* folders in the making: the sweep takes them apart */
#define TREE_DEPTH 64                  /* of a folder that is copied or whose modes are changed */
#define TREES_MAX 2                    /* at once, since each level holds descriptors */
#define TREE_STEP 16                   /* entries in one step, of those whose modes are changed */
#define TREE_COPY_STEP 4               /* of those that are copied */
#define COPY_STEP (256u * 1024u)
#define PROGRESS_MS 1000 /* a long request says that it goes on */
#define COPY_TRIES 4
#define APPEND_TRIES 32
#define SNAPSHOT_PASSES 16 /* over a file that changes, until one finds what the one before left */
#define XATTR_LIST 4096u
#define XATTR_VALUE 65536u
#define SCAN_STEP (256u * 1024u)
#define LINES_COUNT_MAX (64u * 1024u * 1024u) /* bytes before a line from the end of which its number is told */
#define BATCH_OPERATIONS_MAX 131072u
#define BATCH_STEP_US 400
#define BATCH_STEP_LOOK 4
/* Searches (walk.c, ignore.c, job_find.c, job_grep.c, rx_*.c). */
#define SEARCHES_MAX 4 /* that run at once; further ones wait */
#define SEARCH_STEP_US 500u
#define SEARCH_PULSE_MS 1000u
#define WALK_DEPTH 64u
#define WALK_SORT 4096u       /* names of one folder that are held at once */
#define WALK_ITEMS 12288u     /* names of all open folders */
#define WALK_NAMES (1024u * 1024u)
#define WALK_LEAST 32u        /* names that each level may hold whatever the others do */
#define GLOBS_MAX 256u
#define GLOB_BYTES 1024u
#define GLOBS_TEXT (32u * 1024u)
#define IGNORE_RULES 4096u
#define IGNORE_TEXT (128u * 1024u)
#define IGNORE_FILE (64u * 1024u)
#define FIND_LIMIT 1000u
#define RX_PATTERN 4096u   /* bytes */
#define RX_NODES 16384u    /* of the parsed pattern; a class has a range for each of its pieces */
#define RX_NESTING 100u
#define RX_REPEAT 1000u
#define RX_PROGRAM 8192u   /* instructions, each way */
#define RX_SETS 256u
#define RX_ROWS (96u * 1024u)   /* numbers of the states that are kept */
#define RX_SEEDS (64u * 1024u)
#define RX_STATES 4096u
#define GREP_BUFFER (256u * 1024u)
#define GREP_READ (128u * 1024u)
#define GREP_SPAN (48u * 1024u) /* of a longer line only so much around a match is looked at for its column */
#define GREP_CONTEXT 50u
#define GREP_LINE 4096u         /* bytes that are shown of a line */
#define GREP_MATCHES 10000u
#define GREP_TEXT (4u * 1024u * 1024u) /* shown in one page */
#define GREP_BINARY_LOOK 8192u
#define GREP_PIECE 65536u       /* looked at between two looks at the clock */
