/* What the files_*.c share: the folder's state, one request on its way, and the steps it takes:
 *
 *   files.c: method, path, cache -> locate.c: which file -> load.c: into the cache
 *   -> choose.c: coding -> send.c: conditions, ranges, fields -> body.c or
 *   compress_file.c: bytes. Errors of any step end in error.c.
 *
 * Nobody but them and the tests includes it. */
#pragma once

#include "serve/compress.h"
#include "serve/files/cache.h"
#include "serve/files/files.h"
#include "serve/files/guard.h"

/** What one Accept-Encoding said. Clients send very few different ones. */
struct coding_memo {
    struct http_codings codings;
    uint8_t len; /**< 0: nothing kept */
    char text[63];
};

struct files {
    const struct files_settings *settings;
    int root_fd;
    struct files_guard guard;
    unsigned refs; /**< the owner's and one for each body under way */
    struct file_cache cache;
    struct media_types *types;
    uint64_t secret[2];
    unsigned codings;     /**< bits of those that we compress in */
    unsigned compressing; /**< answers being compressed as they are sent */
    struct list listings; /**< those that were made lately, the oldest first */
    size_t listing_bytes; /**< of all listings in memory, those that are being sent included */
    struct coding_memo memo;
    uint64_t hits;
    uint64_t misses;
};

void files_unref(struct files *files);

/** One request on its way. */
struct files_request {
    struct files *files;
    struct request *r;
    struct http_exchange *x;
    nsec_t now;  /**< monotonic */
    nsec_t wall; /**< wall-clock time */
    struct http_asks asks;
    bool files_only; /**< no listing, no fallback, no redirect to a folder */
};

/* --- locate.c --- */

enum located {
    LOCATED_FILE,          /**< a regular file is open */
    LOCATED_FOLDER,        /**< a folder without index file is open */
    LOCATED_SLASH_MISSING, /**< the path names a folder but does not end with '/'; nothing is open
                            */
};

/** Finds what a resolved path stands for. @param ret_name  the file's own path
 *  @return enum located, or -errno; ERR_NOT_FOUND for a name that must not be seen */
must_check int files_locate(const struct files *files, struct span path, struct file_path *ret_name,
                            struct opened_file *ret_file, const char **ret_reason);
/** Opens the precompressed neighbour of a file if it is regular, not empty and not older.
 *  @return 0, or -errno */
must_check int files_open_neighbour(const struct files *files, const struct file_path *name,
                                    const struct file_identity *identity, enum http_coding coding,
                                    struct opened_file *ret_file);

/* --- load.c --- */

/** Reads an open file and its neighbours into the cache.
 *  @return NULL when it is too large, changes while it is read, or there is no room */
struct cached_file *files_load(const struct files_request *q, struct span key,
                               const struct file_path *name, const struct opened_file *file);
/** The content-type of an open file, by its first 4 KiB. */
struct span files_content_type(const struct media_type *type, const struct opened_file *file);
/** Whether a cached file still is what its path leads to; if not, it has left the cache. */
bool files_revalidate(const struct files_request *q, struct cached_file *file);
/** The codings in which a file of that type and size is compressed by us. */
unsigned files_compressible(const struct files *files, const struct media_type *type, int64_t size);

/* --- body.c --- */

/** Where bytes come from: memory of a cached file, or a descriptor. */
struct file_source {
    struct cached_file *file; /**< NULL: `fd` */
    const char *bytes;
    int fd;
};

/** One stretch of an answer: text, then bytes of the source. */
struct file_part {
    struct span head;
    int64_t at;
    int64_t left;
};

/** The descriptor, if it is one, closes. */
void file_source_close(struct file_source *source);
/** Reads up to `cap` bytes. @return bytes > 0, ERR_CHANGED at the end of the file, or -errno */
must_check ssize_t file_source_read(const struct file_source *source, int64_t at, char *out,
                                    size_t cap);
/** A body of the parts, which must be in the arena. Takes the source over, also when NULL comes
 *  back because the arena is full. */
struct http_body *files_body_parts(const struct files_request *q, const struct file_source *source,
                                   struct file_part *parts, unsigned count);
/** A body of `len` bytes of a cached file. NULL when the arena is full. */
struct http_body *files_body_memory(const struct files_request *q, struct cached_file *file,
                                    const char *bytes, size_t len);

/* --- compress_file.c --- */

/** A body that compresses `size` bytes of the source as it is read. Takes the source over.
 *  @return NULL when there is no memory */
struct http_body *files_body_compress(const struct files_request *q,
                                      const struct file_source *source, int64_t size,
                                      enum http_coding coding);
/** Makes sure that a cached file has that variant, compressing it at once.
 *  @return false when it does not pay or there is no room: the coding is no longer offered */
bool files_ensure_variant(struct files *files, struct cached_file *file, enum http_coding coding);

/* --- choose.c --- */

/** Answers with a cached file. */
void files_answer_cached(const struct files_request *q, struct cached_file *file);
/** Answers with an open file, which is taken over. */
void files_answer_opened(const struct files_request *q, struct file_path *name,
                         struct opened_file *file);

/* --- send.c --- */

/** The representation that was chosen. */
struct file_choice {
    struct file_source source;
    struct span content_type;
    const struct file_tags *tags;
    int64_t size; /**< as sent; of the plain file with `compress` */
    enum http_coding coding;
    bool compress; /**< as it is sent: length unknown */
    bool vary;     /**< another Accept-Encoding could have led elsewhere */
    bool ranges;   /**< parts of it may be asked for */
};

/** An answer in the making: fields go into the arena, with room for those of the site. */
struct files_reply {
    struct http_response response;
    struct http_body *body;
};

void files_reply_begin(const struct files_request *q, struct files_reply *reply, int status);
void files_reply_add(struct files_reply *reply, struct span name, struct span value);
/** Answers. With `broken` (out of memory) an error goes out. */
void files_reply_send(const struct files_request *q, struct files_reply *reply, bool broken);
/** Evaluates conditions and ranges, and answers. */
void files_send(const struct files_request *q, struct file_choice *choice);

/* --- error.c --- */

/** The answer to a failed system call; negative errno. @param reason  for the log; may be NULL */
void files_fail_errno(const struct files_request *q, int error, const char *reason);

/* --- listing.c --- */

/** Answers with what is in an open folder, which is taken over. */
void files_answer_listing(const struct files_request *q, struct span path,
                          struct opened_file *folder);
/** Forgets all listings; those that are being sent live on until then. */
void files_forget_listings(struct files *files);
