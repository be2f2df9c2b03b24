/* The table of metrics, and reading and judging expectations of them. */
#include "check/expect.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "check/check.h"

enum kind { COUNT, TIME, YES_NO, TLS_VERSION, HTTP_NUMBER };

struct metric {
    const char *name;
    enum kind kind;
    size_t offset;
    bool wide;  /* 64 bits */
    bool https; /* it is seen over HTTPS only */
};

#define METRIC(name, kind, member, https)                                                          \
    {                                                                                              \
        name, kind, offsetof(struct check_metrics, member),                                        \
            sizeof(((struct check_metrics *)NULL)->member) == sizeof(int64_t), https               \
    }

static const struct metric metrics_table[] = {
    METRIC("status", COUNT, status, true),
    METRIC("days", COUNT, days, true),
    METRIC("time", TIME, time, true),
    METRIC("rtt", TIME, rtt, false),
    METRIC("addresses", COUNT, addresses, false),
    METRIC("failing", COUNT, failing, false),
    METRIC("tls", TLS_VERSION, tls, true),
    METRIC("http", HTTP_NUMBER, http, true),
    METRIC("h3", YES_NO, h3, false),
    METRIC("hsts", YES_NO, hsts, true),
    METRIC("ipv6", YES_NO, ipv6, false),
    METRIC("resumed", YES_NO, resumed, true),
    METRIC("trusted", YES_NO, trusted, true),
    METRIC("redirect80", YES_NO, redirect80, true),
};

static const char NAMES[] =
    "status, days, time, rtt, addresses, failing, tls, http, h3, hsts, ipv6, "
    "resumed, trusted, redirect80";
static const char FEW_NAMES[] = "rtt, addresses, failing, h3, ipv6"; /* without HTTPS */

struct check_metrics check_metrics_none(void)
{
    return (struct check_metrics){.status = -1,
                                  .days = INT64_MIN,
                                  .time = -1,
                                  .rtt = -1,
                                  .addresses = -1,
                                  .failing = -1,
                                  .tls = -1,
                                  .http = -1,
                                  .h3 = -1,
                                  .hsts = -1,
                                  .ipv6 = -1,
                                  .resumed = -1,
                                  .trusted = -1,
                                  .redirect80 = -1};
}

static int64_t value_of(const struct metric *metric, const struct check_metrics *metrics)
{
    const char *at = (const char *)metrics + metric->offset;
    int64_t wide;
    int narrow;

    if (metric->wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}

/* A certificate may have ended days ago: its number of days may be below zero. */
static bool is_known(const struct metric *metric, int64_t value)
{
    return metric->offset == offsetof(struct check_metrics, days) ? value != INT64_MIN : value >= 0;
}

/* ---- reading ---- */

static int read_count(struct span text, int64_t *ret_value)
{
    uint64_t number;
    bool minus = text.len && text.ptr[0] == '-';

    if (span_to_uint(span_from(text, minus), &number) < 0 || number > INT64_MAX)
        return ERR_SYNTAX;
    *ret_value = minus ? -(int64_t)number : (int64_t)number;
    return 0;
}

static int read_time(struct span text, int64_t *ret_value)
{
    bool ms = span_ends(text, SPAN("ms")), s = !ms && span_ends(text, SPAN("s"));
    nsec_t unit = s ? NSEC_PER_SEC : NSEC_PER_MSEC;
    uint64_t number;

    text.len -= ms ? 2 : s ? 1 : 0;
    if ((!ms && !s) || span_to_uint(text, &number) < 0 || number > 1000000)
        return ERR_SYNTAX;
    *ret_value = (int64_t)number * unit;
    return 0;
}

/* "1.2" is 12, "2" is 20 for HTTP. */
static int read_version(struct span text, int64_t *ret_value)
{
    bool digits = text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9';

    if (text.len == 1 && digits)
        *ret_value = 10 * (text.ptr[0] - '0');
    else if (text.len == 3 && digits && text.ptr[1] == '.' && text.ptr[2] >= '0' &&
             text.ptr[2] <= '9')
        *ret_value = 10 * (text.ptr[0] - '0') + (text.ptr[2] - '0');
    else
        return ERR_SYNTAX;
    return 0;
}

static int read_word(struct span text, int64_t *ret_value)
{
    bool yes = span_equal_nocase(text, SPAN("yes")) || span_equal(text, SPAN("1"));
    bool no = span_equal_nocase(text, SPAN("no")) || span_equal(text, SPAN("0"));

    *ret_value = yes;
    return yes || no ? 0 : ERR_SYNTAX;
}

static int read_value(enum kind kind, struct span text, int64_t *ret_value, const char **ret_hint)
{
    switch (kind) {
    case TIME:
        *ret_hint = "a time is written 500ms or 2s";
        return read_time(text, ret_value);
    case YES_NO:
        *ret_hint = "it is yes or no";
        return read_word(text, ret_value);
    case TLS_VERSION:
    case HTTP_NUMBER:
        *ret_hint = "a version is written 1.3 or 2";
        return read_version(text, ret_value);
    case COUNT:
    default:
        *ret_hint = "it is a whole number";
        return read_count(text, ret_value);
    }
}

static size_t operator_length(struct span text, size_t at)
{
    char next = at + 1 < text.len ? text.ptr[at + 1] : '\0';

    if (text.ptr[at] == '!')
        return next == '=' ? 2 : 0;
    return next == '=' ? 2 : 1;
}

static int read_one(struct span text, struct diags *diags, struct expectation *ret)
{
    size_t at = 0, number = 0;
    const char *hint = NULL;

    while (at < text.len && !strchr("=!<>", text.ptr[at]))
        at++;
    struct span name = span_trim(span_of(text.ptr, at));
    size_t length = at < text.len ? operator_length(text, at) : 0;
    while (number < ARRAY_SIZE(metrics_table) &&
           !span_equal(name, span_str(metrics_table[number].name)))
        number++;
    if (number == ARRAY_SIZE(metrics_table) || length == 0) {
        diag_hint(diags_add(diags, "\"%.*s\" is nothing that can be expected", SPAN_ARGS(text)),
                  "write one of %s, then = != < <= > or >=, then a value: %s",
                  check_sees_https ? NAMES : FEW_NAMES,
                  check_sees_https ? "status=200,days>14" : "failing=0,rtt<200ms");
        return ERR_SYNTAX;
    }
    if (metrics_table[number].https && !check_sees_https) {
        diag_hint(diags_add(diags,
                            "\"%.*s\" cannot be expected here: the gardien of this system "
                            "does not look at TLS and HTTP",
                            SPAN_ARGS(name)),
                  "it measures %s; for the others run it on a Linux machine", FEW_NAMES);
        return ERR_SYNTAX;
    }
    *ret = (struct expectation){.metric = (unsigned)number};
    memcpy(ret->compare, text.ptr + at, length);
    if (length == 2 && text.ptr[at] == '=') /* "==" */
        ret->compare[1] = '\0';
    struct span value = span_trim(span_from(text, at + length));
    if (read_value(metrics_table[number].kind, value, &ret->value, &hint) < 0) {
        diag_hint(diags_add(diags, "\"%.*s\" is no value for %s", SPAN_ARGS(value),
                            metrics_table[number].name),
                  "%s", hint);
        return ERR_SYNTAX;
    }
    ret->text = mem_string(text);
    return 0;
}

int expectations_parse(const char *text, struct diags *diags, struct expectations *ret_expectations)
{
    struct expectations all = {.count = 0};
    struct span rest = span_str(text), part;
    int r = 0;

    while (span_next(&rest, ',', &part)) {
        if (all.count == EXPECT_MAX) {
            diags_add(diags, "there are more than %d expectations", EXPECT_MAX);
            r = ERR_LIMIT;
            break;
        }
        if (read_one(span_trim(part), diags, &all.items[all.count]) < 0)
            r = ERR_SYNTAX;
        else
            all.count++;
    }
    if (r < 0)
        expectations_finish(&all);
    else
        *ret_expectations = all;
    return r < 0 ? ERR_SYNTAX : 0;
}

void expectations_finish(struct expectations *expectations)
{
    for (size_t i = 0; i < expectations->count; i++)
        free(expectations->items[i].text);
    expectations->count = 0;
}

/* ---- judging ---- */

static bool holds(const struct expectation *expectation, int64_t value)
{
    switch (expectation->compare[0]) {
    case '=':
        return value == expectation->value;
    case '!':
        return value != expectation->value;
    case '<':
        return expectation->compare[1] ? value <= expectation->value : value < expectation->value;
    default:
        return expectation->compare[1] ? value >= expectation->value : value > expectation->value;
    }
}

static char *value_text(enum kind kind, int64_t value)
{
    switch (kind) {
    case TIME:
        return mem_format("%.1fms", (double)value / 1e6);
    case YES_NO:
        return mem_format("%s", value ? "yes" : "no");
    case TLS_VERSION:
        return mem_format("%d.%d", (int)value / 10, (int)value % 10);
    case HTTP_NUMBER:
        return value >= 20 ? mem_format("%d", (int)value / 10)
                           : mem_format("%d.%d", (int)value / 10, (int)value % 10);
    case COUNT:
    default:
        return mem_format("%lld", (long long)value);
    }
}

size_t expectations_judge(const struct expectations *expectations,
                          const struct check_metrics *metrics, struct findings *findings)
{
    size_t failed = 0;

    for (size_t i = 0; i < expectations->count; i++) {
        const struct expectation *expectation = &expectations->items[i];
        const struct metric *metric = &metrics_table[expectation->metric];
        int64_t value = value_of(metric, metrics);
        bool known = is_known(metric, value), good = known && holds(expectation, value);
        scoped(mem_release) char *is =
            known ? value_text(metric->kind, value) : mem_string(SPAN("not known"));
        scoped(mem_release) char *said = mem_string(span_str(expectation->text));
        findings_add(findings, good ? FINDING_GOOD : FINDING_BAD, "expect", "%s %s: it is %s", said,
                     good ? "holds" : "does not hold", is);
        failed += !good;
    }
    return failed;
}

json_t *check_metrics_json(const struct check_metrics *metrics)
{
    json_t *object = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(metrics_table); i++) {
        const struct metric *metric = &metrics_table[i];
        int64_t value = value_of(metric, metrics);
        if (!is_known(metric, value))
            continue;
        scoped(mem_release) char *text = value_text(metric->kind, value);
        json_t *json = metric->kind == COUNT    ? json_integer(value)
                       : metric->kind == TIME   ? milliseconds_json(value)
                       : metric->kind == YES_NO ? json_boolean(value)
                                                : json_string(text);
        scoped(mem_release) char *name =
            mem_format("%s%s", metric->name, metric->kind == TIME ? "_milliseconds" : "");
        json_object_set_new(object, name, json);
    }
    return object;
}

/* ---- reading them again ---- */

static void set_value(const struct metric *metric, struct check_metrics *metrics, int64_t value)
{
    char *at = (char *)metrics + metric->offset;
    int narrow = (int)value;

    if (metric->wide)
        memcpy(at, &value, sizeof value);
    else
        memcpy(at, &narrow, sizeof narrow);
}

static int value_of_json(const struct metric *metric, const json_t *json, int64_t *ret_value)
{
    enum { COUNT_MAX = 1000000, MILLISECONDS_MAX = 3600 * 1000 };
    double milliseconds = json_number_value(json);
    json_int_t count = json_integer_value(json);

    switch (metric->kind) {
    case TIME:
        if (!json_is_number(json) || !(milliseconds >= 0 && milliseconds <= MILLISECONDS_MAX))
            return ERR_SYNTAX;
        *ret_value = (int64_t)(milliseconds * 1e6);
        return 0;
    case YES_NO:
        *ret_value = json_is_true(json);
        return json_is_boolean(json) ? 0 : ERR_SYNTAX;
    case TLS_VERSION:
    case HTTP_NUMBER:
        return json_is_string(json) ? read_version(span_str(json_string_value(json)), ret_value)
                                    : ERR_SYNTAX;
    case COUNT:
    default:
        *ret_value = count;
        return json_is_integer(json) && count >= -COUNT_MAX && count <= COUNT_MAX ? 0 : ERR_SYNTAX;
    }
}

void check_metrics_read(const json_t *object, struct check_metrics *ret_metrics)
{
    *ret_metrics = check_metrics_none();
    for (size_t i = 0; i < ARRAY_SIZE(metrics_table); i++) {
        const struct metric *metric = &metrics_table[i];
        scoped(mem_release) char *name =
            mem_format("%s%s", metric->name, metric->kind == TIME ? "_milliseconds" : "");
        int64_t value;
        if (value_of_json(metric, json_object_get(object, name), &value) == 0 &&
            is_known(metric, value))
            set_value(metric, ret_metrics, value);
    }
}
