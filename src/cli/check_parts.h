/* What the files of `gardien check` share. */
#pragma once

#include "check/check.h"
#include "cli/arguments.h"
#include "report/printer.h"

/** The command line, read. */
struct check_request {
    struct check_options options;
    struct target target;
    uint16_t port_here; /**< of this machine; 0: `target` is meant */
    struct resolver resolver;
    struct name_pin *pins;
    size_t pin_count;
    struct expectations expectations;
    nsec_t pause; /**< between the checks of --watch */
    char *local_ca;
};

int check_verb_run(const struct arguments *arguments);

#define CHECK_EXITS                                                                                \
    "0 all is well (warnings count for nothing), or what is expected holds; 1 something is "       \
    "wrong;\n"                                                                                     \
    "2 the command line is wrong. With --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN"

/** Rows of the table of options, which check_linux.c and check_portable.c put together. */
#define CHECK_OPTION_TIMEOUT                                                                       \
    {                                                                                              \
        "timeout", "SECONDS", false, "how long all probes may take (default: 10)"                  \
    }
#define CHECK_OPTION_RESOLVE                                                                       \
    {                                                                                              \
        "resolve", "NAME:ADDRESS", true, "use this address for a name instead of asking DNS"       \
    }
#define CHECK_OPTION_IPV4                                                                          \
    {                                                                                              \
        "ipv4", NULL, false, "look at IPv4 addresses only", "-4"                                   \
    }
#define CHECK_OPTION_IPV6                                                                          \
    {                                                                                              \
        "ipv6", NULL, false, "look at IPv6 addresses only", "-6"                                   \
    }
#define CHECK_OPTION_WATCH                                                                         \
    {                                                                                              \
        "watch", NULL, false, "check again and again; a line for each change, with a bell"         \
    }
#define CHECK_OPTION_EVERY                                                                         \
    {                                                                                              \
        "every", "SECONDS", false, "with --watch: the pause between checks (default: 10)"          \
    }
#define CHECK_OPTION_NAGIOS                                                                        \
    {                                                                                              \
        "nagios", NULL, false, "one line and exit codes as monitoring plugins have them"           \
    }

/* ---- what differs by system: check_linux.c, check_portable.c ---- */

/** Reads the word that says what to look at, and options that only this system has.
 *  @return 0, or ERR_SYNTAX told in diags */
must_check int check_read_target(const struct arguments *arguments, struct diags *diags,
                                 struct check_request *request);
/** Is something other than a check of our own of a host that is named wanted? */
bool check_is_other(const struct check_request *request, const struct arguments *arguments);
/** Does that. @return an enum app_exit */
int check_run_other(struct check_request *request, const struct arguments *arguments);

/* ---- checks: check.c ---- */

/** Checks once and judges the expectations. What is wrong is printed. @return 0, or -errno */
must_check int check_run_once(struct check_request *request, struct check_result *ret_result,
                              bool *ret_well);
/** All findings, the verdict and the hint. */
void check_print(const struct printer *printer, const struct check_result *result, bool well);
/** The last lines: what it comes to. */
void check_print_verdict(const struct printer *printer, enum printer_style style,
                         const char *verdict, const char *hint);

/** Checks again and again until it is interrupted: check_watch.c. @return an enum app_exit, that of
 *  the last check */
int check_watch(struct check_request *request, bool json);
/** The time of a check, for people. */
void check_watch_time(char out[32]);
/** A line for each finding that the check before had not. @param time  of check_watch_time()
 *  @return how many those are, and one more when a complaint is no longer made */
size_t check_watch_changes(const struct printer *printer, const struct findings *before,
                           const struct findings *after, const char *time);

/* ---- Linux: this machine, and from elsewhere ---- */

/** What it comes to on this machine. */
struct check_here {
    char *verdict;
    char *hint; /**< NULL when there is nothing to do */
    bool well;
};

/** Looks at this machine: check_here.c. @return an enum app_exit */
int check_this_machine(struct check_request *request, uint16_t port,
                       const struct arguments *arguments);
/** Tries the servers that the gardien with this state folder forwards to; without one that runs,
 * and that answers us, nothing is added. */
void check_upstreams(const char *state, struct findings *findings);
/** Does this machine's firewall keep strangers from the port, as far as we may see? */
bool check_keeps_out(uint16_t port, bool ipv6);
/** Asks an eye to look: check_from.c. @return an enum app_exit */
int check_from(struct check_request *request, const struct arguments *arguments);
