/* A site whose certificate comes by ACME, as the guardian's files about ACME share it. */
#pragma once

#include "app/acme.h"
#include "cert/cert.h"
#include "os/loop.h"

struct key;

struct acme_site {
    struct list link;
    struct guardian *guardian;
    char *name; /* the main one */
    char **names;
    size_t name_count;
    bool named;                /* by the settings in force */
    struct acme_lifetime life; /* of the pair in use; zeroes: none */
    char *id;                  /* of that, for renewal information; NULL: none */
    struct acme_record record;
    int ca_fd; /* folders of the store while an order is prepared or runs, else -1 */
    int order_fd;
    struct key *account;
    struct key *eab;
    struct key *key;
    struct loop_timer timer; /* time for the next step; while a process runs, its deadline */
    pid_t pid;               /* 0: none */
    struct loop_watch watch; /* its messages; fd -1: none */
    enum acme_job job;       /* that runs, or ran last */
    bool concluded;          /* it told its result */
    unsigned crashes;        /* processes in a row that died before they did */
    nsec_t window_at;        /* monotonic: when to look the next time */

    bool asked; /* by hand: `asked_job` is next */
    enum acme_job asked_job;
    int reason;      /* of a revocation */
    uint64_t rounds; /* jobs that came to an end, those about renewal information left out */
    char *outcome;   /* why the last of them failed; NULL: it did not */
    int step;        /* enum acme_step where it is now; -1: none */
};

/** @param name  the main one. @return the site, or NULL */
struct acme_site *acme_site_find(struct guardian *g, const char *name);
/** Has a job done as soon as none runs, whatever the schedule says. */
void acme_site_ask(struct acme_site *site, enum acme_job job);
