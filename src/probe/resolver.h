/* Asks DNS servers, several questions at once, in the event loop: UDP, the next server when one is
 * silent, TCP when the answer is too long. What answers mean is names.h's. */
#pragma once

#include "os/address.h"
#include "os/dial.h"
#include "os/nameservers.h"
#include "probe/dns_message.h"

struct loop;

struct resolver {
    struct socket_address servers[NAMESERVERS_MAX];
    size_t count; /**< at least one */
};

/** One question. Zeroed memory is none; dns_query_finish() may be called on that. */
struct dns_query {
    /* the result, when on_done is called */
    int error; /**< 0 with `answer` valid; ERR_TIMEOUT, ERR_PROTOCOL (nonsense), -errno */
    struct dns_answer answer;
    struct socket_address server; /**< who answered, or was asked last */
    struct socket_address silent; /**< the first that did not answer before another did */
    int silent_error;             /**< why: ERR_TIMEOUT, -ECONNREFUSED…; 0: there is none */
    nsec_t took;
    bool done;
    /* private */
    struct dns_query_run *run;
};

/** What to ask, and who is told. */
struct dns_ask {
    struct loop *loop;
    const struct resolver *resolver; /**< outlives the question */
    const char *name;                /**< copied */
    uint16_t type;
    nsec_t deadline; /**< monotonic */
    /** Called once, in the loop, unless the question is finished before. */
    void (*on_done)(struct dns_query *query, void *context);
    void *context;
};

/** Begins a question. @return 0, or ERR_SYNTAX for a name that DNS cannot carry */
must_check int dns_query_start(struct dns_query *query, const struct dns_ask *ask);
void dns_query_finish(struct dns_query *query);
