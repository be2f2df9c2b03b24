/* A visit under way, between who holds its connection (visit.c) and who talks over it: TLS and HTTP
 * in visit_https.c; in a program without those libraries visit_listen.c hears what a server says
 * unasked. */
#pragma once

#include "base/span.h"
#include "check/visit.h"

struct visit_talk; /* what the one who talks keeps */

struct visit_run {
    struct visit *visit;
    struct visit_request request;
    struct loop_watch watch; /* fd < 0: none */
    struct loop_timer timer;
    bool connected, reset;
    nsec_t begun;            /* of the stage */
    struct visit_talk *talk; /* NULL: it has not begun */
    char *out;               /* for the peer, as long as who talks wants; NULL: nothing is sent */
    size_t out_len, out_sent;
    char first[VISIT_BANNER_MAX]; /* the first bytes that came */
    size_t first_len;
    int pending_error; /* connect() failed at once */
};

/* ---- the connection: visit.c ---- */

/** Ends the visit; nothing of it may be touched by who talks afterwards.
 *  @param end  enum visit_end */
void visit_conclude(struct visit_run *run, int end);
/** Sends what of `out` the peer takes now. @return false when the visit ended */
must_check bool visit_flush(struct visit_run *run);
/** Do the first bytes begin a record of TLS? */
bool visit_began_tls(const struct visit_run *run);
/** Ends the visit with what came in place of TLS, of which there is a byte at least. */
void visit_conclude_other(struct visit_run *run);

/* ---- the talk: visit_https.c, visit_listen.c ---- */

/** The connection is there, and more is wanted. The visit may end within. */
void talk_begin(struct visit_run *run);
/** Takes bytes of the peer, which `first` has got already. @return false when the visit ended */
must_check bool talk_take(struct visit_run *run, struct span bytes);
/** The time is over. @return enum visit_end */
must_check int talk_silence(const struct visit_run *run);
/** Is a handshake of TLS under way? */
bool talk_is_in_handshake(const struct visit_run *run);
/** Notes what the talk settled, before the connection goes. `talk` may be NULL. */
void talk_conclude(struct visit_run *run);
/** Frees `talk`, which may be NULL, and what it left in the visit. */
void talk_finish(struct visit_run *run);
