#include "etag.h"

#include <time.h>

#include "sha256.h"
#include "util.h"

#define OWN_MAX 64
#define SETTLE_WINDOW_NS 50000000ull /* several ticks of the slowest kernel clock (100 Hz) */
#define ETAG_HASH_BYTES 16

struct own {
    dev_t dev;
    ino_t ino;
    uint64_t mtime_ns;
};

static struct own own[OWN_MAX];
static unsigned own_next;
static uint64_t last_stamp;

static uint64_t ns_of(const struct timespec *t) { return (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_nsec; }

static uint64_t clock_now(clockid_t clock) {
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? ns_of(&t) : 0;
}

void etag_of(const struct stat *st, char text[ETAG_TEXT]) {
    uint64_t parts[] = {(uint64_t)st->st_dev, (uint64_t)st->st_ino, (uint64_t)st->st_size, ns_of(&st->st_mtim),
                        ns_of(&st->st_ctim)};
    uint8_t digest[SHA256_BYTES];
    struct sha256 s;
    sha256_init(&s);
    sha256_add(&s, parts, sizeof parts);
    sha256_end(&s, digest);
    hex(digest, ETAG_HASH_BYTES, text);
}

void etag_unsettled(char text[ETAG_TEXT]) {
    uint8_t random[ETAG_HASH_BYTES] = {0};
    /* Without randomness a counter still differs from any hash but by accident. */
    if (!random_fill(random, sizeof random)) random[0] = (uint8_t)++last_stamp;
    hex(random, sizeof random, text);
}

bool etag_settled(const struct stat *st) {
    uint64_t changed = ns_of(&st->st_ctim);
    uint64_t coarse = clock_now(CLOCK_REALTIME_COARSE);
    if (changed < coarse || changed > coarse + SETTLE_WINDOW_NS) return true;
    uint64_t mtime = ns_of(&st->st_mtim);
    for (unsigned i = 0; i < OWN_MAX; i++)
        if (own[i].ino == st->st_ino && own[i].dev == st->st_dev && own[i].mtime_ns == mtime) return true;
    return false;
}

bool etag_stamp(int fd) {
    uint64_t stamp = clock_now(CLOCK_REALTIME);
    if (stamp <= last_stamp) stamp = last_stamp + 1;
    last_stamp = stamp;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                {.tv_sec = (time_t)(stamp / NS_PER_S), .tv_nsec = (long)(stamp % NS_PER_S)}};
    return futimens(fd, times) == 0;
}

void etag_note_own(const struct stat *st) {
    own[own_next++ % OWN_MAX] = (struct own){st->st_dev, st->st_ino, ns_of(&st->st_mtim)};
}
