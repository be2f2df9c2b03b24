/* What makes a request malformed by its fields (RFC 9113 section 8): their grammar, and which may
 * stand in HTTP/2 at all. What the values mean is request.c's. */
#pragma once

#include "base/span.h"

/** A pseudo-header of requests, as bits. */
enum h2_pseudo {
    H2_METHOD = 1,
    H2_SCHEME = 2,
    H2_AUTHORITY = 4,
    H2_PATH = 8,
};

/** Which pseudo-header a name is that begins with ':'. @return 0 for one that requests lack */
unsigned h2_pseudo_of(struct span name);
/** A lower-case token (section 8.2.1, RFC 9110 section 5.6.2). */
bool h2_name_valid(struct span name);
/** No control but HTAB inside, no white space at the ends (section 8.2.1, RFC 9110 section 5.5). */
bool h2_value_valid(struct span value);
/** No space, no control and, where `ascii`, nothing beyond ASCII. */
bool h2_visible(struct span value, bool ascii);
/** A token, upper case letters included. */
bool h2_token_valid(struct span value);
/** Fields about a connection, which HTTP/2 has none of its own (section 8.2.2). */
bool h2_is_connection_field(struct span name, struct span value);
