/* What READ and READ_LINES share. */
#pragma once
#include "job.h"

bool read_same(const struct stat *a, const struct stat *b); /* nothing was done to the file between the two */
enum step read_send(struct job *j);                          /* the next DATA, or the end */
enum step read_finish(struct job *j, bool at_end);          /* sends READ_END */
