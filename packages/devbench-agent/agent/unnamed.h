/* Files without a name, and what they tell of the file system they are on. */
#pragma once
#include <sys/stat.h>

/* One that can be read and written, gone when it is closed; -1 with errno. */
int unnamed_in(int folder);
/* What a file looks like that this agent makes there: some file systems show another owner than who made it, or modes of
 * their own. */
void unnamed_looks(int folder, struct stat *st);
