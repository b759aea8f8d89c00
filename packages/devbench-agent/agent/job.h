/* File requests: each is a job that is taken forward in short steps between polls. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "channel.h"
#include "etag.h"
#include "limits.h"
#include "util.h"

enum step { STEP_MORE, STEP_WAIT, STEP_DONE }; /* go on at once; wait for data, window, room or `wake`; over */

#define TEMP_NAME 48
#define ENTRY_NAMED 0x40000000u /* … its message is the name of an entry */
#define SECOND_PATH 0x80000000u /* in an error's number: it is about the second path */

struct job {
    uint8_t type; /* the request's frame type; 0: free; JOB_SWEEP */
    struct channel *channel;
    uint32_t request;
    unsigned stage;
    uint64_t wake; /* NEVER: nothing to wait for but other events */
    uint64_t settle_until;
    uint64_t tell_at; /* when to say that it goes on; 0: never */
    int fd, folder, top;
    bool created, ended;
    bool homeless; /* of a WRITE: the folders it belongs into are still to be made */
    size_t made; /* folders for it, see parents.h; 0: none, or it is in them */
    uint32_t flags, mode;
    uint64_t offset, size, limit, done;
    struct stat st;
    char leaf[NAME_BYTES + 1];
    char temp[TEMP_NAME];  /* exists in `folder` while not empty */
    char inner[NAME_BYTES + 1];
    char etag[ETAG_TEXT];
    char path[PATH_BYTES + 1];
    pid_t helper;
    int helper_answer; /* -1 while it runs, else an errno or 0 */
    void *map;
    size_t map_bytes;
    uint32_t count, next;
    bool more;
};

#define JOB_SWEEP 0xFFu
#define JOB_DISCARD 0xFEu /* takes a folder apart for which nobody waits any more */

void jobs_init(void);
void job_request(struct channel *c, const struct frame *f);
void job_data(struct channel *c, const struct frame *f);
void job_window(struct channel *c, const struct frame *f);
void job_write_end(struct channel *c, const struct frame *f);
void job_abort(struct channel *c, const struct frame *f);
uint64_t jobs_run(uint64_t now);
uint64_t jobs_due(void); /* when they must run again because of what happened since */
void jobs_abort(struct channel *c);
void jobs_wake(uint8_t type); /* all of this kind look again */
bool jobs_wait_for(uint64_t observer);
void jobs_reaped(pid_t pid, int status);
bool jobs_own_helper(pid_t pid);
pid_t job_helper(size_t slot);

/* For the kinds of jobs. */
typedef bool job_parser(struct job *j, struct rd *r);
typedef enum step job_stepper(struct job *j);
enum step job_fail(struct job *j, int error);       /* sends FILE_ERROR, gives STEP_DONE */
/* The same where a rename failed, of which EXDEV does not say that a path leads outside. */
enum step job_fail_rename(struct job *j, int error);
enum step job_fail_with(struct job *j, uint8_t code, int error, const char *etag, const char *message);
/* The same about the second path of a request that has two. */
enum step job_fail_second(struct job *j, int error);
/* About one entry of a tree: the message is its name. */
enum step job_fail_entry(struct job *j, int error, const char *name);
/* FILE_ERROR conflict with the etag of what now is there; call it again after STEP_WAIT. */
enum step job_conflict(struct job *j, int folder, const char *leaf, bool second, const char *message);
bool job_path(struct job *j, struct rd *r);
bool job_path_into(struct job *j, struct rd *r, char path[PATH_BYTES + 1]);
const struct job *job_at(size_t slot);
void job_temp_name(char name[TEMP_NAME]);
/* The etag of st into j->etag; false: not settled, j->wake says when to look again. Not a file: empty. */
bool job_settle(struct job *j, const struct stat *st);
void put_stat(struct job *j, const struct stat *st, int folder, const char *name);
mode_t job_umask(void);
/* Flush a descriptor to disk in a process of its own; its answer comes in helper_answer. */
bool job_sync(struct job *j, int fd);
/* The same with everything on its file system. */
bool job_sync_all(struct job *j, int fd);
/* While one holds, no other job goes on; for short, bounded steps only. */
void job_hold(struct job *j);
void job_release(struct job *j);
bool jobs_held(void);
uint8_t job_code(int error);
uint32_t job_number(int error); /* as frames have it */
struct job *job_find_as(struct channel *c, const struct frame *f, uint8_t type);
void job_drop(struct job *j);

bool stat_parse(struct job *j, struct rd *r);
enum step stat_step(struct job *j);
bool mkdir_parse(struct job *j, struct rd *r);
enum step mkdir_step(struct job *j);
bool read_parse(struct job *j, struct rd *r);
enum step read_step(struct job *j);
bool write_parse(struct job *j, struct rd *r);
enum step write_step(struct job *j);
enum step write_data(struct job *j, const uint8_t *p, size_t n);
bool dir_parse(struct job *j, struct rd *r);
enum step dir_step(struct job *j);
bool delete_parse(struct job *j, struct rd *r);
enum step delete_step(struct job *j);
int open_to_empty(int folder, const char *name); /* no link, nor a mode that is in the way */
bool delete_drop(struct job *j); /* whether a folder that gave up its name is still to be taken apart */
enum step delete_take_apart(struct job *j);
bool find_parse(struct job *j, struct rd *r);
enum step find_step(struct job *j);
bool grep_parse(struct job *j, struct rd *r);
enum step grep_step(struct job *j);
void search_drop(struct job *j);
enum step sweep_step(struct job *j);
bool watch_parse(struct job *j, struct rd *r);
enum step watch_step(struct job *j);
/* Makes one without a channel of a job whose folder and temp are a hidden folder to be taken apart. */
bool discard_begin(struct job *j);
enum step discard_step(struct job *j);
bool lines_parse(struct job *j, struct rd *r);
enum step lines_step(struct job *j);
bool move_parse(struct job *j, struct rd *r);
enum step move_step(struct job *j);
bool copy_parse(struct job *j, struct rd *r);
enum step copy_step(struct job *j);
bool copy_drop(struct job *j); /* whether a folder in the making is left */
bool chmod_parse(struct job *j, struct rd *r);
enum step chmod_step(struct job *j);
void chmod_drop(struct job *j);
void append_drop(struct job *j);
bool snapshot_parse(struct job *j, struct rd *r);
enum step snapshot_step(struct job *j);
void snapshot_drop(struct job *j);
bool batch_parse(struct job *j, struct rd *r);
enum step batch_step(struct job *j);
void batch_op(struct channel *c, const struct frame *f);
void batch_data(struct job *j, const uint8_t *p, size_t n);
void batch_end(struct channel *c, const struct frame *f);
void batch_recover(struct job *j);
/* Its channel is gone: true when it goes on without, to put away what it staged or to end what it committed. */
bool batch_drop(struct job *j);
bool batch_is_final(const struct job *j); /* too late to be aborted */
