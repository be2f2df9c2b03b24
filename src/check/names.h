/* From a name to addresses, by DNS and by this machine's own resolver, and what the records say. */
#pragma once

#include "check/target.h"
#include "os/lookup.h"
#include "os/loop.h"
#include "probe/probe.h"
#include "report/finding.h"

enum {
    NAMES_ADDRESSES_MAX = 16, /**< probed; more are counted only */
    NAMES_CAA_MAX = 8,        /**< labels climbed for CAA */
};

/** An address given on the command line for a name. */
struct name_pin {
    char *name;
    struct socket_address address;
};

struct names_options {
    const struct resolver *resolver;
    const struct name_pin *pins;
    size_t pin_count;
    int family;    /**< AF_INET, AF_INET6; 0: both */
    bool only_dns; /**< this machine's own resolver is not asked */
};

struct names_address {
    struct socket_address address;
    bool from_dns;
    bool from_system;
};

struct names {
    const struct target *target;
    struct names_options options;
    struct loop *loop;
    bool only_addresses; /**< HTTPS and CAA records are not asked for */
    struct names_address addresses[NAMES_ADDRESSES_MAX];
    size_t count;
    size_t left_out; /**< addresses beyond the bound, or of the other family */
    nsec_t took;     /**< until the addresses were known */
    bool pinned;
    bool asked_system, asked_dns;
    struct lookup lookup;
    struct lookup_result system;
    bool system_done;
    int system_error; /**< the child failed: ERR_*, -errno */
    struct dns_query a, aaaa, https, caa[NAMES_CAA_MAX];
    size_t caa_count;
    /* private */
    struct loop_watch watch;
    struct loop_timer timer;
    nsec_t started;
    bool told;
    void (*on_addresses)(struct names *names);
    void *context; /**< the owner's */
};

/** Begins. on_addresses is called once, in the loop or at once, when it is known where to connect
 * (maybe nowhere); questions that no connection waits for go on.
 *  @param deadline  monotonic */
void names_start(struct names *names, nsec_t deadline);
/** Is nothing under way any more? */
bool names_done(const struct names *names);
/** The findings of topics "name", "https-record" and "caa". */
void names_report(const struct names *names, struct findings *findings);
void names_finish(struct names *names);

/** The HTTPS record of the name, or NULL. */
const struct dns_https *names_https(const struct names *names);
/** The CAA records that count: of the nearest name that has some (RFC 8659 section 3); NULL. */
const struct dns_answer *names_caa(const struct names *names);
