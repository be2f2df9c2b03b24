/* Between the files of `gardien check --from`. */
#pragma once

#include "cli/check_parts.h"
#include "eye/eye.h"

enum { FROM_VIEWS_MAX = 2 /* an IPv4 and an IPv6 address of the eye */ };

/** What one address of the eye said, and what the same look says from inside. */
struct from_view {
    struct socket_address eye;
    int error; /**< of eye_ask() */
    struct eye_talk talk;
    bool has_inside;
    struct check_result inside;
    json_t *inside_json;
    struct findings joined; /**< what is different from inside, and why */
    bool well;
    char *verdict, *mend; /**< mend: NULL when there is nothing to do */
};

/** Does this view have an answer with findings? */
bool from_view_seen(const struct from_view *view);
/** Fills in joined, well, verdict and mend.
 *  @param port  that was looked at
 *  @param asked  the IP address that the user named, or NULL */
void from_judge(struct from_view *view, uint16_t port, const char *asked);
