/* Media types by a file's path, or its name's extension. The type never comes from content: what a
 * site's author named a file decides, and x-content-type-options: nosniff keeps browsers to it.
 * Whether text is UTF-8 is looked at, so that no charset is claimed that is not the file's. */
#pragma once

#include "base/span.h"
#include "config/config.h"

/** How the content-type of a text of the table ends. */
#define MEDIA_TYPE_UTF8 "; charset=utf-8"
enum { MEDIA_TYPE_EXTENSION_MAX = 11 };

struct media_type {
    struct span extension; /**< lower case, without its dot */
    struct span value;     /**< for content-type, with charset where the type has one */
    bool compressible;     /**< gains from compression */
    bool as_written;       /**< by the settings: `value` is sent as it is */
};

/** The type of a path or file name: JSON for what standards put beneath .well-known/ without an
 *  extension, else by its last extension, in any case; application/octet-stream when there is none
 *  that is known. Never NULL. */
const struct media_type *media_type_of(struct span name);
/** Is it a text whose charset is claimed only where the bytes are UTF-8? */
bool media_type_has_charset(const struct media_type *type);
/** The content-type of a file whose beginning, or all of it, is at hand: without a charset where
 *  the type is text and the bytes are not UTF-8.
 *  @param whole  all of the file is there: its end cuts no character in two */
struct span media_type_for(const struct media_type *type, struct span beginning, bool whole);
/** Whether a body of that content-type gains from compression and may be changed on its way: text
 * and what is written as text, but no event stream. */
bool media_type_compressible(struct span content_type);
/** Whether the last segment of a path has an extension of the table. */
bool media_type_known(struct span name);

/** The rows of the table, sorted by extension. */
const struct media_type *media_type_table(size_t *ret_count);
/** A path without its first slash. */
static inline struct span media_type_path(struct span path)
{
    return span_starts(path, SPAN("/")) ? span_from(path, 1) : path;
}

struct media_types; /* of one folder: the table, and what its settings say */

/** What is wrong with a key of `types`, as a sentence's end, or NULL: ".ext" or "/path". */
const char *media_types_key_wrong(const char *key);
/** The same for a media type. */
const char *media_types_value_wrong(const char *value);
/** The same for `charset`. */
const char *media_types_charset_wrong(const char *charset);
/** @param types    ".ext" or a path "/x" to a content-type, which is sent as it is
 *  @param charset  "auto": utf-8 for text that is UTF-8; "off": none; else the one of all text */
struct media_types *media_types_create(const struct config_pairs *types, const char *charset);
void media_types_destroy(struct media_types *types);
/** @param path  with or without its first slash. @return never NULL; lives as long as `types` */
const struct media_type *media_types_find(const struct media_types *types, struct span path);
/** As media_type_known(), with what the settings name. */
bool media_types_know(const struct media_types *types, struct span path);
