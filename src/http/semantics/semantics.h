/* What fields and targets mean, whatever the version: dates, ranges, preconditions, negotiation and
 * paths (RFC 9110, RFC 3986). Pure functions; who answers what stays with serve/. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/span.h"

struct http_field;
struct http_fields;
struct http_request;

/* --- dates ------------------------------------------------------------------------------- */

enum { HTTP_DATE_SIZE = 29, HTTP_DATE_ISO_SIZE = 20 };

/** Writes an IMF-fixdate ("Sun, 06 Nov 1994 08:49:37 GMT") and a NUL.
 *  @param seconds  since 1970-01-01 UTC; clipped to years 1970..9999
 *  Source: RFC 9110 section 5.6.7 */
void http_date_format(int64_t seconds, char out[HTTP_DATE_SIZE + 1]);
/** Writes the same moment as "1994-11-06T08:49:37Z" (RFC 3339) and a NUL. */
void http_date_format_iso(int64_t seconds, char out[HTTP_DATE_ISO_SIZE + 1]);
/** Reads any of the three forms of HTTP-date, case-sensitively and to the last byte. The day's name
 *  must be one, but need not fit the date. A leap second (:60) counts as the second after it.
 *  @param now  seconds since 1970, for the century of a two-digit year: more than 50 years ahead
 *              means the past
 *  @return 0, or ERR_SYNTAX. Source: RFC 9110 section 5.6.7 */
must_check int http_date_parse(struct span text, int64_t now, int64_t *ret_seconds);

/* --- what a request asks of a representation ---------------------------------------------- */

enum http_ask {
    HTTP_ASK_ACCEPT,
    HTTP_ASK_ACCEPT_ENCODING,
    HTTP_ASK_RANGE,
    HTTP_ASK_IF_RANGE,
    HTTP_ASK_IF_MATCH,
    HTTP_ASK_IF_NONE_MATCH,
    HTTP_ASK_IF_MODIFIED_SINCE,
    HTTP_ASK_IF_UNMODIFIED_SINCE,
    HTTP_ASK_COUNT,
};

/** The fields that the functions below look at, found in one pass. */
struct http_asks {
    const struct http_fields *fields;
    unsigned present;               /**< bit 1 << HTTP_ASK_x: at least one such field */
    unsigned repeated;              /**< more than one */
    unsigned first[HTTP_ASK_COUNT]; /**< index of the first; only where present */
};

/** @param fields  must outlive *ret_asks */
void http_asks_find(const struct http_fields *fields, struct http_asks *ret_asks);

static inline bool http_asks_for(const struct http_asks *asks, enum http_ask ask)
{
    return asks->present & 1u << ask;
}

/* --- ranges --------------------------------------------------------------------------------- */

enum { HTTP_RANGES_MAX = 16 };

/** Bytes first..last of the representation, both included, within its size. */
struct http_range {
    int64_t first;
    int64_t last;
};

struct http_ranges {
    struct http_range items[HTTP_RANGES_MAX]; /**< as asked: neither sorted nor merged */
    unsigned count;
};

enum http_range_verdict {
    HTTP_RANGE_IGNORE,        /**< answer with the whole: 200 */
    HTTP_RANGE_PARTIAL,       /**< 206; count >= 1 */
    HTTP_RANGE_UNSATISFIABLE, /**< 416 with content-range bytes * / size */
};

/** Reads a Range value. Ignored: other units, bad syntax, more than HTTP_RANGES_MAX ranges, more
 *  than two that overlap another, several that sum up to more than the whole.
 *  @param size  of the representation, >= 0
 *  Source: RFC 9110 section 14.1.2, 14.2 */
enum http_range_verdict http_ranges_parse(struct span value, int64_t size,
                                          struct http_ranges *ret_ranges);

/* --- preconditions --------------------------------------------------------------------------- */

struct http_validators {
    struct span etag; /**< entity-tag with its quotes; empty: none */
    int64_t modified; /**< seconds since 1970; -1: unknown */
};

enum http_condition {
    HTTP_CONDITION_GO_ON,        /**< and Range, if any, may be obeyed */
    HTTP_CONDITION_NO_RANGE,     /**< go on, but answer with the whole: If-Range does not hold */
    HTTP_CONDITION_NOT_MODIFIED, /**< 304 */
    HTTP_CONDITION_FAILED,       /**< 412 */
};

/** Evaluates If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since and If-Range, in that
 *  order, against a representation that exists. Malformed dates count as absent; a malformed list
 * of entity-tags matches nothing beyond its error.
 *  @param safe  the method is GET or HEAD
 *  @param now   seconds since 1970
 *  Source: RFC 9110 section 13.2.2 */
enum http_condition http_conditions(const struct http_asks *asks,
                                    const struct http_validators *validators, bool safe,
                                    int64_t now);

/** Whether an If-Match or If-None-Match list holds the entity-tag; "*" does.
 *  @param weak  compare weakly: W/ is no difference. Source: RFC 9110 section 8.8.3.2 */
bool http_etag_listed(struct span list, struct span etag, bool weak);

/* --- negotiation ------------------------------------------------------------------------------ */

/** Content codings, in the server's order of preference from the last to the first. */
enum http_coding { HTTP_CODING_IDENTITY, HTTP_CODING_GZIP, HTTP_CODING_BR, HTTP_CODING_ZSTD };

enum { HTTP_CODINGS = 4, HTTP_Q_MAX = 1000 };

/** How much a client wants each coding: 0 (not at all) to HTTP_Q_MAX. */
struct http_codings {
    uint16_t q[HTTP_CODINGS];
};

/** Reads Accept-Encoding. Without the field only identity is wanted; identity that is not named
 *  ranks below all that is. Members that break the syntax are skipped.
 *  Source: RFC 9110 section 12.5.3 */
void http_codings_parse(const struct http_asks *asks, struct http_codings *ret_codings);
/** The most wanted of the offered codings (bits 1 << HTTP_CODING_x); on equal q a favoured one,
 * then by the server's order. Identity when nothing offered is acceptable, even then when it is
 * not. */
enum http_coding http_codings_choose(const struct http_codings *codings, unsigned offered,
                                     unsigned favoured);
/** "gzip", "br", "zstd" or "identity". */
struct span http_coding_name(enum http_coding coding);

/** The q-value (0..HTTP_Q_MAX) that Accept gives a media type such as "text/html": that of the most
 *  specific range that covers it, HTTP_Q_MAX when there is no Accept.
 *  @param ret_named  whether the type itself was named, not only covered by a wildcard; may be NULL
 *  Source: RFC 9110 section 12.5.1 */
unsigned http_accept_q(const struct http_asks *asks, struct span type, bool *ret_named);

/* --- paths -------------------------------------------------------------------------------------
 */

/** Decodes a request's path to bytes that begin with '/': percent-encoding undone, dot segments
 *  resolved (%2e counts as a dot), runs of slashes made one, a final slash kept. A backslash is an
 *  ordinary byte.
 *  @param ret_path  in the arena, or `path` itself when there was nothing to do
 *  @return 0; ERR_SYNTAX: it does not begin with '/', has a bad escape, a control byte, %00 or %2F,
 *          or climbs above the root; ERR_LIMIT: the arena is full
 *  Source: RFC 3986 section 5.2.4, 6.2.2 */
must_check int http_path_resolve(struct arena *arena, struct span path, struct span *ret_path);
/** The same, but an encoded slash, which is refused there, stays "%2F" as a part of its segment:
 * for those who pass the path on and open nothing by it. */
must_check int http_path_resolve_keeping(struct arena *arena, struct span path,
                                         struct span *ret_path);
/** Appends the bytes percent-encoded so that they are safe in a Location and in an HTML attribute:
 *  all but unreserved characters, '/' and a few harmless sub-delims. @return 0, or ERR_LIMIT */
must_check int http_path_encode(struct buffer *out, struct span path);

/* --- forwarding ---------------------------------------------------------------------------- */

/** The fields that may be sent on: without those of the connection and those that `connection`
 *  names. The result's spans are the same. @return 0, or ERR_LIMIT when the arena is full.
 *  Source: RFC 9110 section 7.6.1 */
must_check int http_forwardable(struct arena *arena, const struct http_fields *fields,
                                struct http_fields *ret_fields);
/** Drops fields that frame, route or authenticate: they must not come late.
 *  Source: RFC 9110 section 6.5.1 */
void http_trailers_filter(struct http_fields *trailers);
