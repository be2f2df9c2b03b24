/* Small hot files in memory: found by path, bounded in bytes, kept while their bytes are being
 * sent. Whether a file on disk is still the same is load.c's question. */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "base/nsec.h"
#include "http/http.h"
#include "serve/files/media_type.h"
#include "serve/files/open.h"

enum { ETAG_ROOM = 32 };

/** Validators of one file in one coding, as they stand in an answer. */
struct file_tags {
    int64_t modified; /**< seconds since 1970; -1: none, for it lies in the future */
    uint8_t etag_len;
    char etag[ETAG_ROOM];
    char last_modified[HTTP_DATE_SIZE + 1];
};

/** Computes the validators. @param wall  wall-clock time */
void file_tags_make(const struct file_identity *identity, enum http_coding coding, nsec_t wall,
                    struct file_tags *ret_tags);

struct cached_variant {
    char *bytes; /**< owned; NULL: not there */
    size_t size;
    struct file_identity neighbour; /**< of the file it came from; zero if compressed by us */
    struct file_tags tags;
};

/** One file. Reference-counted: the cache holds one reference, each body another. */
struct cached_file {
    struct list link; /**< by age, for the clock */
    unsigned refs;
    bool cached; /**< in the map */
    bool seen;   /**< since the clock's hand last passed */
    bool racy;   /**< changed so recently that its identity does not tell versions apart */
    uint8_t precompressed; /**< bits of codings that lay beside the file */
    uint8_t offered;       /**< bits of all codings that it may be sent in */
    nsec_t fresh_until;    /**< monotonic */
    size_t cost;           /**< bytes, as accounted */
    struct file_identity identity;
    const struct media_type *type;
    struct span content_type; /**< its value, with the charset that the file has */
    struct cached_variant variants[HTTP_CODINGS];
    size_t key_len;
    char key[]; /**< path beneath the root as asked for */
};

struct file_cache {
    struct map map;
    struct list clock; /**< the hand is at its front */
    size_t bytes;      /**< of all files that live, also those that left the map */
    size_t limit;
    size_t count; /**< in the map */
};

void file_cache_init(struct file_cache *cache, size_t limit, const uint64_t secret[2]);
/** Empties the map. Files whose bodies live stay until those release them; the struct must as well.
 */
void file_cache_finish(struct file_cache *cache);

/** The file of that path or NULL; not referenced for the caller. */
struct cached_file *file_cache_get(struct file_cache *cache, struct span key);
/** A new file, not in the map yet, with one reference, accounted for its own struct and `size`
 *  bytes; makes room. @return NULL when there is no room, or no memory */
struct cached_file *file_cache_new(struct file_cache *cache, struct span key, size_t size);
/** Accounts `size` more bytes for a file; makes room, but never by this file. */
must_check bool file_cache_grow(struct file_cache *cache, struct cached_file *file, size_t size);
/** Puts the file into the map, which takes over the caller's reference. */
void file_cache_put(struct file_cache *cache, struct cached_file *file);
/** Takes it out of the map. */
void file_cache_drop(struct file_cache *cache, struct cached_file *file);
void cached_file_unref(struct file_cache *cache, struct cached_file *file);

static inline struct cached_file *cached_file_ref(struct cached_file *file)
{
    file->refs++;
    return file;
}
