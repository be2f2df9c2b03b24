/* Media types by a file name's extension. Content is never looked at: what a site's author named a
 * file decides, and x-content-type-options: nosniff keeps browsers to it. */
#pragma once

#include "base/span.h"

struct media_type {
    struct span extension; /**< lower case, without its dot */
    struct span value;     /**< for content-type, with charset where the type has one */
    bool compressible;     /**< gains from compression */
};

/** The type of a path or file name by its last extension, in any case; application/octet-stream
 * when there is none that is known. Never NULL. */
const struct media_type *media_type_of(struct span name);
/** Whether a body of that content-type gains from compression and may be changed on its way: text
 * and what is written as text, but no event stream. */
bool media_type_compressible(struct span content_type);
/** Whether the last segment of a path has an extension of the table. */
bool media_type_known(struct span name);
