/* `gardien check --nagios`: the line and the exit codes of monitoring plugins, for checks from here
 * and from elsewhere. */
#include "cli/check_nagios.h"

#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/mem.h"

enum nagios nagios_judge(bool well, bool expected, enum finding_grade worst)
{
    if (!well)
        return NAGIOS_CRITICAL;
    return !expected && worst == FINDING_WARNING ? NAGIOS_WARNING : NAGIOS_OK;
}

const struct finding *nagios_unmet(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        if (strcmp(findings->items[i].topic, "expect") == 0 &&
            findings->items[i].grade == FINDING_BAD)
            return &findings->items[i];
    return NULL;
}

enum nagios nagios_worse(enum nagios a, enum nagios b)
{
    static const int rank[] = {
        [NAGIOS_OK] = 0, [NAGIOS_WARNING] = 1, [NAGIOS_UNKNOWN] = 2, [NAGIOS_CRITICAL] = 3};

    return rank[a] >= rank[b] ? a : b;
}

void nagios_print_head(enum nagios code, const char *sentence)
{
    static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

    printf("%s %s - ", check_sees_https ? "HTTPS" : "TCP", words[code]);
    scoped(mem_release) char *escaped = escape_text(span_str(sentence));
    for (const char *at = escaped; *at; at++) /* a bar would begin the performance data */
        putchar(*at == '|' ? '/' : *at);
    fputs(" |", stdout);
}

void nagios_print_data(const struct check_metrics *metrics, const char *suffix)
{
    if (metrics->time >= 0)
        printf(" time%s=%.6fs", suffix, (double)metrics->time / 1e9);
    if (metrics->rtt >= 0)
        printf(" rtt%s=%.6fs", suffix, (double)metrics->rtt / 1e9);
    if (metrics->days != INT64_MIN)
        printf(" days%s=%lld", suffix, (long long)metrics->days);
    if (metrics->addresses >= 0)
        printf(" addresses%s=%lld", suffix, (long long)metrics->addresses);
    if (metrics->failing >= 0)
        printf(" failing%s=%lld", suffix, (long long)metrics->failing);
}

void nagios_print(enum nagios code, const char *sentence, const struct check_metrics *metrics,
                  const char *suffix)
{
    nagios_print_head(code, sentence);
    if (metrics)
        nagios_print_data(metrics, suffix);
    putchar('\n');
}
