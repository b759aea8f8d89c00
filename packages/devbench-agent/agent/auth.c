#include "auth.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "command.h"
#include "resolve.h"
#include "exchange.h"
#include "sha256.h"
#include "util.h"

#define TOKEN_BYTES 32u
#define METHOD_CLAIM 1
#define METHOD_PROVE 2
#define TAKEOVER 1u

static const char HOST_LABEL[] = "devbench host v1";
static const char AGENT_LABEL[] = "devbench agent v1";

static uint8_t boot_id[16];
static uint8_t *token; /* in a page that no fork inherits */
static bool claimed;
static bool claim_by_stdio_only;

bool auth_init(void) {
    token = private_map(4096);
    return token != NULL && random_fill(boot_id, sizeof boot_id);
}

void auth_claim_by_stdio_only(void) { claim_by_stdio_only = true; }
bool auth_is_claimed(void) { return claimed; }

void auth_hello(struct channel *c) {
    frame_begin(c, F_HELLO, 0);
    put_raw(c, "DVBA", 4);
    put_u16(c, PROTOCOL_MAJOR);
    put_u16(c, PROTOCOL_MINOR);
    put_raw(c, boot_id, sizeof boot_id);
    put_raw(c, c->nonce, sizeof c->nonce);
    put_u8(c, claimed);
    put_u32(c, PAYLOAD_MAX);
    frame_end(c);
}

static bool admit(struct channel *c, uint8_t method, const uint8_t *secret, const uint8_t *nonce) {
    if (method == METHOD_CLAIM) {
        if (claimed) {
            channel_error(c, E_CLAIMED, "this agent has its token already");
            return false;
        }
        if (claim_by_stdio_only && !c->stdio) {
            channel_error(c, E_FORBIDDEN, "this agent is claimed by whoever started it");
            return false;
        }
        memcpy(token, secret, TOKEN_BYTES);
        claimed = true;
        return true;
    }
    if (!claimed) {
        channel_error(c, E_UNCLAIMED, "this agent has no token yet");
        return false;
    }
    uint8_t expected[SHA256_BYTES];
    hmac_sha256(token, HOST_LABEL, c->nonce, nonce, expected);
    bool right = equal_in_constant_time(expected, secret, sizeof expected);
    wipe(expected, sizeof expected);
    if (!right) channel_error(c, E_UNAUTHORISED, "the proof is wrong");
    return right;
}

static unsigned others_open(const struct channel *c) {
    unsigned n = 0;
    for (size_t i = 0; i < COUNT(channels); i++) n += &channels[i] != c && channels[i].state == CH_OPEN;
    return n;
}

static void take_over(const struct channel *c) {
    for (size_t i = 0; i < COUNT(channels); i++)
        if (&channels[i] != c && channels[i].state == CH_OPEN)
            channel_goodbye(&channels[i], G_TAKEN_OVER, "another host took over");
}

static void welcome(struct channel *c, const uint8_t *nonce) {
    uint8_t proof[SHA256_BYTES];
    struct command_counts counts = commands_count();
    const char *features[10];
    uint16_t n = 0;
    if (resolve_has_openat2()) features[n++] = "openat2";
    if (exchange_is_atomic()) features[n++] = "exchange";
    features[n++] = "side";
    features[n++] = "watch";
    features[n++] = "changes";
    features[n++] = "batch";
    features[n++] = "search";
    features[n++] = "snapshot";
    features[n++] = "roots";
    features[n++] = "limit";
    hmac_sha256(token, AGENT_LABEL, nonce, c->nonce, proof);
    frame_begin(c, F_WELCOME, 0);
    put_raw(c, proof, sizeof proof);
    put_u32(c, (uint32_t)getpid());
    put_u32(c, (uint32_t)getuid());
    put_u32(c, (uint32_t)getgid());
    put_u32(c, counts.running);
    put_u32(c, counts.ended);
    put_u32(c, counts.highest_handle);
    put_u16(c, n);
    for (uint16_t i = 0; i < n; i++) put_str(c, features[i]);
    frame_end(c);
}

void auth_answer(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint16_t major = rd_u16(&r);
    (void)rd_u16(&r);
    (void)rd_str(&r, INSTANCE_MAX);
    uint32_t flags = rd_u32(&r);
    const uint8_t *nonce = rd_raw(&r, 32);
    uint8_t method = rd_u8(&r);
    const uint8_t *secret = rd_raw(&r, 32);
    if (!r.bad && major != PROTOCOL_MAJOR) {
        channel_error(c, E_VERSION, "this agent speaks major version 1");
        return;
    }
    bool known = method == METHOD_CLAIM || method == METHOD_PROVE;
    if (!rd_done(&r) || nonce == NULL || secret == NULL || f->id != 0 || !known || (flags & ~TAKEOVER) != 0) {
        channel_error(c, E_MALFORMED, "AUTH does not parse");
        return;
    }
    if (!admit(c, method, secret, nonce)) return;
    if (flags & TAKEOVER) take_over(c);
    if (others_open(c) >= CHANNELS_MAX) {
        channel_error(c, E_BUSY, "too many channels are open");
        return;
    }
    c->state = CH_OPEN;
    welcome(c, nonce);
}
