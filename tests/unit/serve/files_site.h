/* A folder on disk, served to hand-built exchanges through an engine that only takes answers. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/pool.h"
#include "serve/files.h"

struct site {
    struct files_settings settings; /* change them before the first ask() */
    struct files *files;            /* made by the first ask() */
    struct files_context context;
    struct http_pool *pool;
    char root[64];
    int root_fd;
    nsec_t now;
    nsec_t wall_ahead; /* of the real wall clock */
    size_t chunk;      /* bytes asked of the body at a time */
    unsigned responses;
};

/* One answer, alive until site_close_answer(). */
struct answer {
    struct http_exchange *x;
    int status;
    int64_t content_length;
    ssize_t end; /* what the body's last read() said: 0, or negative */
    char *bytes; /* of the body, with a NUL */
    size_t len;
};

struct site *site_create(void);
void site_destroy(struct site *site);
/** Counts the answer that an exchange made by hand gets. */
void site_adopt(struct site *site, struct http_exchange *x);
/** Writes a file beneath the root, folders included; a final slash makes a folder. */
void site_write(struct site *site, const char *path, const void *bytes, size_t len);
void site_text(struct site *site, const char *path, const char *text);
/** Moves a file's date of change by seconds. */
void site_touch(struct site *site, const char *path, long seconds);
/** Absolute path of a file, valid until the next call. */
const char *site_path(const struct site *site, const char *path);

/** Asks without reading the body. The arguments are names and values of fields, then NULL. */
struct answer site_begin(struct site *site, const char *method, const char *target, ...)
    __attribute__((sentinel));
/** Reads the body to its end. */
void site_drain(struct site *site, struct answer *answer);
/** Both. */
#define site_ask(site, ...)                                                                        \
    ({                                                                                             \
        struct answer answer_ = site_begin(site, __VA_ARGS__, NULL);                               \
        site_drain(site, &answer_);                                                                \
        answer_;                                                                                   \
    })
#define site_get(site, ...) site_ask(site, "GET", __VA_ARGS__)
void site_close_answer(struct site *site, struct answer *answer);
/** The value of a field as a string, or NULL; valid until the next call. */
const char *answer_field(const struct answer *answer, const char *name);

/** Asks, expects the status, and closes. */
#define assert_status(site, wanted, ...)                                                           \
    do {                                                                                           \
        struct answer status_ = site_get(site, __VA_ARGS__);                                       \
        assert_int_equal(status_.status, wanted);                                                  \
        site_close_answer(site, &status_);                                                         \
    } while (0)
