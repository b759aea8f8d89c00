/* Channels: connections with hosts, their buffers, and the building of frames. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"
#include "loop.h"
#include "wire.h"

enum channel_state { CH_FREE, CH_PENDING, CH_OPEN, CH_CLOSING };

struct channel {
    struct watch in;  /* a socket is both; out.fd is then a duplicate */
    struct watch out;
    enum channel_state state;
    bool stdio;
    bool ended; /* the input is over */
    bool broken;
    uint32_t running_max; /* commands, whoever started them, at which its host starts no more; 0: none was told */
    uint64_t since; /* when it was accepted, for the deadline and for who is oldest */
    uint64_t close_by;
    uint8_t nonce[32];
    uint8_t *in_bytes;
    size_t in_used, in_high; /* in_high: how far the pages were touched */
    uint8_t *out_bytes;
    size_t out_start, out_end, frame_at;
};

struct frame {
    uint8_t type;
    uint32_t id;
    const uint8_t *payload;
    uint32_t n;
};

#define CHANNEL_SLOTS (CHANNELS_MAX + PENDING_MAX + 2)
extern struct channel channels[CHANNEL_SLOTS];

/* Takes both descriptors over (also when it fails). */
struct channel *channel_open(int in, int out, bool stdio);
/* Ends it: its execs are detached, its jobs aborted, what is queued is still sent for a short while. */
void channel_end(struct channel *c);
void channel_error(struct channel *c, enum error_code code, const char *message);
void channel_goodbye(struct channel *c, enum goodbye reason, const char *message);
void channel_refuse(struct channel *c, const struct frame *f, enum refusal code, const char *message);

/* Fill, parse and flush all; returns when to look again. */
uint64_t channels_run(uint64_t now);
bool channel_has_room(const struct channel *c);

void frame_begin(struct channel *c, enum frame_type type, uint32_t id);
void put_u8(struct channel *c, uint8_t v);
void put_u16(struct channel *c, uint16_t v);
void put_u32(struct channel *c, uint32_t v);
void put_u64(struct channel *c, uint64_t v);
void put_raw(struct channel *c, const void *p, size_t n);
void put_str(struct channel *c, const char *s);
/* Room for n more bytes of this frame to be filled in place, then put_used. NULL on a broken channel. */
uint8_t *put_room(struct channel *c, size_t n);
void put_used(struct channel *c, size_t n);
void frame_end(struct channel *c);
void frame_drop(struct channel *c); /* take back what was begun */
