/* A folder on disk, served to hand-built exchanges through an engine that only takes answers. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/pool.h"
#include "serve/files/files.h"
#include "serve/server.h"
#include "serve/sites.h"

struct folder {
    struct files_settings settings;  /* change them before the first ask() */
    struct files *files;             /* made by the first ask() */
    const struct header_rule *rules; /* of every answer */
    size_t rule_count;
    const char *reason; /* that the last answer gave to the log */
    int error;
    struct loop *loop;
    struct protect_shared *shared;
    struct server *server;
    struct sites *sites;
    struct request_source source;
    struct http_pool *pool;
    char root[64];
    int root_fd;
    nsec_t now;
    nsec_t wall_ahead; /* of the real wall clock */
    size_t chunk;      /* bytes asked of the body at a time */
    unsigned responses;
};

/* One answer, alive until folder_close_answer(). */
struct answer {
    struct http_exchange *x;
    int status;
    int64_t content_length;
    ssize_t end; /* what the body's last read() said: 0, or negative */
    char *bytes; /* of the body, with a NUL */
    size_t len;
};

struct folder *folder_create(void);
void folder_destroy(struct folder *folder);
/** The next request finds an empty cache and the settings as they are then. */
void folder_forget(struct folder *folder);
/** Counts the answer that an exchange made by hand gets. */
void folder_adopt(struct folder *folder, struct http_exchange *x);
/** Writes a file beneath the root, folders included; a final slash makes a folder. */
void folder_write(struct folder *folder, const char *path, const void *bytes, size_t len);
void folder_text(struct folder *folder, const char *path, const char *text);
/** Moves a file's date of change by seconds. */
void folder_touch(struct folder *folder, const char *path, long seconds);
/** Absolute path of a file, valid until the next call. */
const char *folder_path(const struct folder *folder, const char *path);

/** Answers an exchange that was filled by hand. */
struct request *folder_answer(struct folder *folder, struct http_exchange *x);
/** Asks without reading the body. The arguments are names and values of fields, then NULL. */
struct answer folder_begin(struct folder *folder, const char *method, const char *target, ...)
    __attribute__((sentinel));
/** Reads the body to its end. */
void folder_drain(struct folder *folder, struct answer *answer);
/** Both. */
#define folder_ask(folder, ...)                                                                    \
    ({                                                                                             \
        struct answer answer_ = folder_begin(folder, __VA_ARGS__, NULL);                           \
        folder_drain(folder, &answer_);                                                            \
        answer_;                                                                                   \
    })
#define folder_get(folder, ...) folder_ask(folder, "GET", __VA_ARGS__)
void folder_close_answer(struct folder *folder, struct answer *answer);
/** The value of a field as a string, or NULL; valid until the next call. */
const char *answer_field(const struct answer *answer, const char *name);

/** Asks, expects the status, and closes. */
#define assert_status(folder, wanted, ...)                                                         \
    do {                                                                                           \
        struct answer status_ = folder_get(folder, __VA_ARGS__);                                   \
        assert_int_equal(status_.status, wanted);                                                  \
        folder_close_answer(folder, &status_);                                                     \
    } while (0)
