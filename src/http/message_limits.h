/* The bounds that the message layer enforces; each is a setting. */
#pragma once

#include <stdint.h>

#include "base/pace.h"

struct http_limits {
    uint32_t header_bytes; /**< whole header section, decoded: sum of name + value + 32 for h2 */
    uint32_t header_count;
    uint32_t uri_bytes;
    uint64_t body_bytes;              /**< 413 beyond */
    uint32_t body_window;             /**< bytes of a body that may be under way: held by the owner
                                           and not consumed; our receive window of an h2 stream */
    uint32_t requests_per_connection; /**< then the connection ends in good order; 0: no end */
    /* Deadlines of one exchange; a timeout of 0 is no deadline. */
    struct pace_bounds header; /**< from the first byte of a header section to its last */
    struct pace_bounds body;   /**< while the client has a window and its body is not complete */
    struct pace_bounds answer; /**< h2: while a stream waits for the client's window */
    /* HTTP/2 */
    uint32_t h2_streams;           /**< concurrent */
    uint32_t h2_resets_per_minute; /**< RST_STREAM from either side, beyond a burst of as many */
    uint32_t h2_settings_per_minute;
    uint32_t h2_pings_per_minute;
    uint32_t h2_empty_frames_per_minute; /**< empty DATA/HEADERS/CONTINUATION without END */
    uint32_t h2_continuations;           /**< CONTINUATION frames of one header block */
};
