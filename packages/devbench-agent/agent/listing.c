#include "listing.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct entry64 { /* what getdents64 gives */
    uint64_t ino;
    int64_t off;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

bool listing_read(struct listing *l, int fd) {
    long n = syscall(SYS_getdents64, fd, l->bytes, sizeof l->bytes);
    l->at = 0;
    l->n = n > 0 ? (size_t)n : 0;
    return n >= 0;
}

const char *listing_next(struct listing *l) {
    while (l->at < l->n) {
        const struct entry64 *e = (const struct entry64 *)(const void *)(l->bytes + l->at);
        l->at += e->bytes;
        l->after = e->off;
        l->type = e->type;
        if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0) return e->name;
    }
    return NULL;
}
