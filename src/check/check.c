/* The probes, then the judges, then one sentence about all. */
#include "check/check.h"

#include <stdlib.h>

#include "base/mem.h"
#include "check/layers.h"

static void count_endpoint(const struct check *check, struct check_result *result)
{
    struct check_metrics *metrics = &result->metrics;

    metrics->addresses = metrics->failing = metrics->ipv6 = 0;
    for (size_t i = 0; i < check->endpoint_count; i++) {
        const struct endpoint *endpoint = &check->endpoints[i];
        if (endpoint_is_open(endpoint)) {
            metrics->addresses++;
            metrics->ipv6 |= address_is_ipv6(&endpoint->address);
        } else if (endpoint->main.end != PROBE_NO_ROUTE) {
            metrics->failing++;
        }
    }
    result->open = metrics->addresses > 0;
}

static char *verdict_of(const struct check *check, const struct check_result *result,
                        const struct finding *wrong)
{
    scoped(mem_release) char *authority = target_authority(check->options->target, TARGET_PORT);
    scoped(mem_release) char *site = layers_site(check);

    if (!wrong)
        return mem_format("%s is open: %lld of %zu address%s %s", site,
                          (long long)result->metrics.addresses, check->endpoint_count,
                          check->endpoint_count == 1 ? "" : "es",
                          layers_deed(result->metrics.addresses == 1));
    const char *how = !result->open                ? "is not open"
                      : wrong->grade < FINDING_BAD ? "is open, but"
                                                   : "is open, but has a fault";
    bool about_it = !wrong->subject || strcmp(wrong->subject, authority) == 0 ||
                    strcmp(wrong->subject, check->options->target->host) == 0;
    return mem_format(
        "%s %s: %s%s%s%s", site, how, about_it ? "" : wrong->subject, about_it ? "" : ": ",
        strcmp(wrong->topic, "certificate") == 0 ? "the certificate: " : "", wrong->sentence);
}

void judge_all(const struct check *check, struct check_result *result)
{
    count_endpoint(check, result);
    const struct finding *wrong = findings_first(&result->findings, FINDING_BAD);
    if (!wrong)
        wrong = findings_first(&result->findings, FINDING_WARNING);
    result->verdict = verdict_of(check, result, wrong);
    result->hint = wrong && wrong->hint ? mem_string(span_str(wrong->hint)) : NULL;
    result->took = nsec_monotonic() - check->begun;
}

int check_host(const struct check_options *options, struct check_result *ret_result)
{
    struct check *check = mem_new(struct check);
    struct check_result result = {.metrics = check_metrics_none()};

    check->options = options;
    int r = probes_run(check);
    if (r == 0) {
        names_report(&check->names, &result.findings);
        judge_route(check, &result);
        judge_tcp(check, &result);
        layers_judge(check, &result);
        judge_all(check, &result);
        *ret_result = result;
    }
    probes_finish(check);
    free(check);
    return r;
}

void check_result_finish(struct check_result *result)
{
    findings_finish(&result->findings);
    free(result->verdict);
    free(result->hint);
    *result = (struct check_result){.open = false};
}

bool check_is_well(const struct check_result *result)
{
    return findings_worst(&result->findings) < FINDING_BAD;
}

json_t *check_json(const struct check_options *options, const struct check_result *result)
{
    return json_pack("{s:s, s:i, s:b, s:b, s:s, s:s*, s:o, s:o, s:o}", "host",
                     options->target->host, "port", options->target->port, "open", result->open,
                     "well", check_is_well(result), "verdict", result->verdict, "hint",
                     result->hint, "milliseconds", milliseconds_json(result->took), "metrics",
                     check_metrics_json(&result->metrics), "findings",
                     findings_json(&result->findings));
}
