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
#include "serve/compress.h"
#include "serve/request.h"

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
    struct config_pairs types; /**< ".ext" or "/path" to a content-type */
    char *charset;             /**< "auto" (also NULL), "off", or that of all text */
    bool private_keys;         /**< serve files that begin as one */
    struct compress_settings compress;
    struct files_cache_settings cache;
};

extern const struct config_row files_rows[];

struct files; /* one folder in one worker */

/** Complains about settings that rows cannot check: error pages' keys and paths, the fallback,
 *  codings, media types.
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
struct files_guard;
/** What is never served. Copied. */
void files_set_guard(struct files *files, const struct files_guard *guard);
/** Answers that are still being sent go on; what they need lives until they end. NULL is fine. */
void files_destroy(struct files *files);

/** Answers a request, always. The file is that of r->rest.
 *  @param now   monotonic
 *  @param wall  wall-clock time */
void files_answer(struct files *files, struct request *r, nsec_t now, nsec_t wall);

/** A page of the site for an error. */
struct files_page {
    struct span type; /**< content-type */
    int64_t length;
    struct http_body *body;
};

/** Opens the page that the settings name for a status.
 *  @return false when they name none, or it cannot be read */
must_check bool files_error_page(struct files *files, struct request *r, int status,
                                 struct files_page *ret_page);

/** A folder; the config is its struct files, which goes with it. */
extern const struct handler files_handler;
/** Answers ACME's http-01 challenge from a folder: plain files beneath
 *  /.well-known/acme-challenge/ and nothing in their place (RFC 8555 section 8.3). The config is a
 *  struct files that files_handler owns. */
extern const struct handler challenge_files_handler;

/** What the cache of this folder holds, for counters and tests. */
struct files_stats {
    size_t cache_bytes; /**< never above settings->cache.total */
    size_t cache_entries;
    uint64_t hits;
    uint64_t misses;
};
void files_stats(const struct files *files, struct files_stats *ret_stats);
