/* From a batch's end on: check, commit, carry out or undo, tell, put away. */
#pragma once
#define BATCH_NO_STAGING "the root itself may not be written"
#include "batch.h"

bool batch_allocate(struct job *j);
enum step batch_commit_step(struct job *j);
/* Before the commit: the host is told at once, and the staging folder is put away without it. */
enum step batch_refuse_now(struct job *j, int error);
/* Looks for the next staging folder that an earlier agent left. */
enum step batch_find(struct job *j);
