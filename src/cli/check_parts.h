/* What the files of `gardien check` share. */
#pragma once

#include "check/check.h"
#include "cli/arguments.h"
#include "report/face.h"

/** The command line, read. */
struct check_request {
    struct check_options options;
    struct target target;
    uint16_t port_here; /**< of this machine; 0: `target` is meant */
    struct resolver resolver;
    struct name_pin *pins;
    size_t pin_count;
    struct expectations expectations;
    char *local_ca;
};

/** Looks once and judges the expectations. What is wrong is printed. @return 0, or -errno */
must_check int check_look(struct check_request *request, struct check_result *ret_result,
                          bool *ret_well);
/** All findings, the verdict and the mend. */
void check_print(const struct face *face, const struct check_result *result, bool well);
/** The last lines: what it comes to. */
void check_print_verdict(const struct face *face, enum face_style style, const char *verdict,
                         const char *mend);

/** What it comes to on this machine. */
struct check_here {
    char *verdict;
    char *mend; /**< NULL when there is nothing to do */
    bool well;
};

/** Looks at this machine: check_here.c. @return an enum app_exit */
int check_this_machine(struct check_request *request, uint16_t port, bool json);
/** Does this machine's firewall keep strangers from the port, as far as we may see? */
bool check_keeps_out(uint16_t port, bool ipv6);
/** Asks an eye to look: check_from.c. @return an enum app_exit */
int check_from(struct check_request *request, const struct arguments *arguments);
/** Looks again and again until it is interrupted: check_watch.c. @return an enum app_exit, that of
 *  the last look */
int check_watch(struct check_request *request, nsec_t pause, bool json);
