/* What a folder's listing looks like, as HTML and as JSON. Reading folders is listing.c's, drawing
 * them listing_render.c's. */
#pragma once

#include "base/buffer.h"
#include "base/nsec.h"
#include "base/span.h"

enum {
    LISTING_ENTRIES_MAX = 10000,
    LISTING_BYTES_MAX = 8 * 1024 * 1024, /* of one listing */
};

struct listing_entry {
    struct span name; /**< any bytes but '/' and NUL */
    bool folder;
    int64_t size;
    nsec_t modified; /**< since 1970 */
};

struct listing {
    struct span path; /**< of the folder, with a slash at both ends */
    struct span root; /**< the name of the root's folder, which stands for "/" */
    struct listing_entry *entries;
    size_t count;
    bool cut; /**< there is more in the folder */
};

/** Folders first, then by name without regard to the case of ASCII letters. */
void listing_sort(struct listing *listing);
/** Appends a page that loads nothing else. Entries that pass the buffer's ceiling are left out, and
 *  the page says so. @return 0, or ERR_LIMIT when not even an empty page fits */
must_check int listing_render_html(const struct listing *listing, struct buffer *out);
/** Appends {"path", "cut", "entries": [{"name", "type", "size", "modified"}]}; bytes that are no
 *  UTF-8 become U+FFFD. @return as above */
must_check int listing_render_json(const struct listing *listing, struct buffer *out);
