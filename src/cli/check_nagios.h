/* What monitoring plugins print: one line with performance data, and their exit codes. */
#pragma once

#include <stdbool.h>

#include "check/check.h"

/** The exit codes of plugins. */
enum nagios { NAGIOS_OK, NAGIOS_WARNING, NAGIOS_CRITICAL, NAGIOS_UNKNOWN };

/** @param expected  there are expectations: they alone decide, so that no warning counts */
enum nagios nagios_judge(bool well, bool expected, enum finding_grade worst);
/** The first expectation that does not hold, or NULL. */
const struct finding *nagios_unmet(const struct findings *findings);
/** Of the two, the one that somebody is woken for rather. */
enum nagios nagios_worse(enum nagios a, enum nagios b);
/** The line up to the performance data. */
void nagios_print_head(enum nagios code, const char *sentence);
/** Those that were measured.
 *  @param suffix  of each label, to tell two checks in one line apart */
void nagios_print_data(const struct check_metrics *metrics, const char *suffix);
/** The whole line. @param metrics  may be NULL */
void nagios_print(enum nagios code, const char *sentence, const struct check_metrics *metrics,
                  const char *suffix);
