/* A probe under way, between its connection (connection.c) and the protocol over it: TLS and HTTP
 * in https.c; in a program without those libraries banner.c hears what a server says
 * unasked. */
#pragma once

#include "base/span.h"
#include "probe/probe.h"

struct probe_protocol; /* state of the protocol */

struct probe_run {
    struct probe *probe;
    struct probe_request request;
    struct loop_watch watch; /* fd < 0: none */
    struct loop_timer timer;
    bool connected, reset;
    nsec_t begun;                    /* of the stage */
    struct probe_protocol *protocol; /* NULL: it has not begun */
    char *out; /* for the peer, as the protocol wants it; NULL: nothing is sent */
    size_t out_len, out_sent;
    char first[PROBE_BANNER_MAX]; /* the first bytes that came */
    size_t first_len;
    int pending_error; /* connect() failed at once */
};

/* ---- the connection: connection.c ---- */

/** Ends the probe; nothing of it may be touched by the protocol afterwards.
 *  @param end  enum probe_end */
void probe_conclude(struct probe_run *run, int end);
/** Sends what of `out` the peer takes now. @return false when the probe ended */
must_check bool probe_flush(struct probe_run *run);
/** Do the first bytes begin a record of TLS? */
bool probe_began_tls(const struct probe_run *run);
/** Ends the probe with what came in place of TLS, of which there is a byte at least. */
void probe_conclude_other(struct probe_run *run);

/* ---- the protocol: https.c, banner.c ---- */

/** The connection is there, and more is wanted. The probe may end within. */
void protocol_begin(struct probe_run *run);
/** Takes bytes of the peer, which `first` has got already. @return false when the probe ended */
must_check bool protocol_receive(struct probe_run *run, struct span bytes);
/** The time is over. @return enum probe_end */
must_check int protocol_timeout(const struct probe_run *run);
/** Is a handshake of TLS under way? */
bool protocol_is_in_handshake(const struct probe_run *run);
/** Notes what was settled, before the connection goes. `run->protocol` may be NULL. */
void protocol_conclude(struct probe_run *run);
/** Frees `run->protocol`, which may be NULL, and what it left in the probe. */
void protocol_finish(struct probe_run *run);
