/* What the files of `gardien check` share. */
#pragma once

#include "check/check.h"

struct face;

/** The command line, read. */
struct check_request {
    struct check_options options;
    struct target target;
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
/** Looks again and again until it is interrupted: check_watch.c. @return an enum app_exit, that of
 *  the last look */
int check_watch(struct check_request *request, nsec_t pause, bool json);
