/* Between the files of `gardien check --from`. */
#pragma once

#include "cli/check_nagios.h"
#include "cli/check_parts.h"
#include "eye/eye.h"

enum { FROM_VIEWS_MAX = 2 /* an IPv4 and an IPv6 address of the eye */ };

/** What one address of the eye said, and what the same check says from inside. */
struct from_view {
    struct socket_address eye;
    int error; /**< of eye_ask() */
    struct eye_outcome outcome;
    bool has_inside;
    struct check_result inside;
    json_t *inside_json;
    struct findings joined; /**< what is different from inside, and why */
    bool well;
    char *verdict, *hint; /**< NULL when there is nothing to do */
};

/** An eye that is asked, over each family that it has. */
struct from {
    struct check_request *request;
    struct eye_key key;
    struct tls_client_library *tls;
    const char *word;  /**< of --from */
    const char *name;  /**< for SNI and Host, or NULL */
    const char *asked; /**< the IP address that the user named, or NULL */
    uint16_t port;
    struct from_view views[FROM_VIEWS_MAX];
    size_t count;
};

/** Has the eye check, and checks from inside. `view` has the eye's address and nothing else. */
void from_take_view(struct from *from, struct from_view *view);
/** Frees all but the eye's address. */
void from_view_finish(struct from_view *view);
/** Checks again and again until it is interrupted: check_from_watch.c.
 *  @return did the last check find all well? */
bool from_watch(struct from *from, bool json);

/* ---- how it is shown: check_from_text.c ---- */

void from_print_view(const struct printer *printer, const struct from *from,
                     const struct from_view *view);
/** All views. A new reference. */
json_t *from_json(const struct from *from);
/** The worst view decides. @return the exit code */
enum nagios from_print_nagios(const struct from *from);

/** Does this view have an answer with findings? */
bool from_view_seen(const struct from_view *view);
/** Fills in joined, well, verdict and hint.
 *  @param port  that was checked
 *  @param asked  the IP address that the user named, or NULL */
void from_judge(struct from_view *view, uint16_t port, const char *asked);
