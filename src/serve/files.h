/* Static files: a folder answers GET and HEAD, with validators, ranges, compression, a cache of
 * small hot files, listings and error pages. Which site answers is decided elsewhere.
 *
 * System calls used at run time, for the sandbox: openat2, openat, fstat/newfstatat, pread64,
 * close, fadvise64, getdents64, fcntl, lseek. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/nsec.h"
#include "config/config.h"
#include "http/http.h"

struct files_compress_settings {
    bool enabled;
    struct config_strings codings; /**< of "zstd", "br", "gzip" */
    int64_t min_size;              /**< smaller files are sent as they are */
    int64_t max_size;              /**< so are larger ones */
    int level;                     /**< 0 fast, 1 balanced, 2 best: enum compress_level */
    int64_t concurrent;            /**< most answers compressed at a time, a worker */
};

struct files_cache_settings {
    int64_t max_file_size; /**< bytes; 0: cache nothing */
    int64_t total;         /**< bytes for this folder in each worker */
    nsec_t staleness;      /**< a cached file is looked at again after this time */
};

/** `files:` of a site; a plain string stands for `root`. */
struct files_settings {
    char *root;
    struct config_strings index;
    bool listing;
    char *fallback;                  /**< path beneath the root, or NULL */
    struct config_pairs error_pages; /**< "404" or "4xx" to a path beneath the root */
    bool precompressed;
    bool dot_files;
    struct files_compress_settings compress;
    struct files_cache_settings cache;
};

extern const struct config_row files_rows[];

/** What to do with one field of an answer. */
enum files_field_op {
    FILES_FIELD_SET,    /**< replace every field of that name */
    FILES_FIELD_ADD,    /**< one more field */
    FILES_FIELD_REMOVE, /**< drop every field of that name; the value is not looked at */
};

struct files_field {
    struct span name;  /**< lower case */
    struct span value; /**< must live as long as the exchange */
    enum files_field_op op;
};

/** What the site gives along with a request, and what it may log after the answer. */
struct files_context {
    const struct files_field *fields; /**< applied in order to every answer; but an error (>= 400)
                                           takes no cache-control and no expires: those are meant
                                           for what the site has */
    size_t field_count;
    struct span request_id; /**< shown on error pages; may be empty */
    nsec_t wall;            /**< wall-clock time */
    const char *reason;     /**< out: why there was an error, static text; NULL otherwise */
    int error;              /**< out: the -errno behind the reason, or 0 */
};

struct files; /* one folder in one worker */

/** Complains about settings that rows cannot check: error pages' keys and paths, the fallback,
 * codings.
 *  @param path  where they stand, such as "sites[0].files" */
void files_check(const struct files_settings *settings, const struct config_tree *tree,
                 const char *path, struct diags *diags);
/** Whether files can be opened beneath a folder at all. @return 0; -ENOSYS or -EPERM when the
 * system lacks the call that does it, or a filter takes it away; -errno */
must_check int files_root_check(int root_fd);
/** Looks on the disk whether a fallback or error page is there to be served.
 *  @param page  a path beneath the root, "/404.html"
 *  @return NULL when it is, or what is wrong as a sentence's end */
const char *files_page_wrong(const struct files_settings *settings, const char *page);

/** @param settings  must outlive files_destroy()
 *  @param root_fd   the root, opened as a directory (O_PATH will do); duplicated, stays the
 * caller's
 *  @param secret    random words, for the cache's hash
 *  @return 0, or -errno; -ENOSYS where the kernel or a sandbox has no openat2 */
must_check int files_create(const struct files_settings *settings, int root_fd,
                            const uint64_t secret[2], struct files **ret_files);
/** Answers that are still being sent go on; what they need lives until they end. NULL is fine. */
void files_destroy(struct files *files);

/** Answers a request, always: http_respond() has been called when this returns. A request with a
 *  refusal gets it. @param now  monotonic */
void files_answer(struct files *files, struct http_exchange *x, struct files_context *context,
                  nsec_t now);
/** Answers with the site's page for that status, or with a small page of our own: HTML, or text for
 *  a client that takes no HTML. @param files  NULL: no site is known */
void files_error(struct files *files, struct http_exchange *x, int status,
                 struct files_context *context, nsec_t now);

/** What the cache of this folder holds, for counters and tests. */
struct files_stats {
    size_t cache_bytes; /**< never above settings->cache.total */
    size_t cache_entries;
    uint64_t hits;
    uint64_t misses;
};
void files_stats(const struct files *files, struct files_stats *ret_stats);
