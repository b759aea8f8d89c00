/* What everything shares that puts a finished file under a name: a job with folder, leaf, fd, temp, and W_… flags. */
#pragma once
#include "job.h"

enum write_stage {
    WRITE_OPEN, WRITE_RECEIVE, WRITE_SYNC, WRITE_COMMIT, WRITE_SYNC_FOLDER, WRITE_REPLY, WRITE_CONFLICT,
    APPEND_TURN, APPEND_SETTLE, APPEND_COPY, APPEND_TAIL,
    COPY_BEGIN, COPY_FILL, COPY_FOLDER, COPY_PLACE, COPY_REPLY, COPY_SOURCE_CONFLICT,
};

int write_look(struct job *j, struct stat *st); /* whether the conditions hold now: 0 or an errno; sets `created` */
int write_open_temp(struct job *j);
int write_dress(struct job *j, const struct stat *before);
enum step write_conflict(struct job *j);
enum step write_commit(struct job *j); /* on to WRITE_REPLY */
void write_own_etag(struct job *j, struct stat *now); /* the etag of what was put there */

/* The state of a file that is going to be copied, once any later change of it will be seen; else j->wake says when to
 * look again. */
bool write_source_settled(struct job *j, int fd, struct stat *st);

bool append_begin(struct job *j);         /* false: no memory */
enum step append_received(struct job *j); /* what is to be appended is there */
enum step append_step(struct job *j);
const struct stat *append_before(const struct job *j); /* what the finished file was made of; NULL: of nothing */
enum step append_again(struct job *j);                 /* the file changed meanwhile */
void append_over(struct job *j);                       /* it has its name: the next one's turn */
