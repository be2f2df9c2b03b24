/* Rules from text, and requests to run through them. */
#include "waf_rig.h"

#include <stdio.h>

#include "base/mem.h"

struct waf_rules *waf_rig_load(const char *text, struct diags *diags)
{
    static const char *const names[] = {"rules"};
    struct buffer packed = buffer_make(1 << 20);
    struct waf_files *files = NULL;
    struct waf_rules *rules = NULL;

    int r = buffer_printf(&packed, "f 5 %zu\nrules%sp 5 6\nrulesrules\n", strlen(text), text);
    if (r == 0)
        r = waf_files_unpack(buffer_span(&packed), &files);
    const struct waf_source source = {.set = files, .files = names, .count = 1};
    if (r == 0 && waf_load(&source, diags, &rules) < 0)
        rules = NULL;
    waf_files_destroy(files);
    buffer_finish(&packed);
    return rules;
}

struct ids {
    char *text;
    size_t room;
};

static void on_match(void *owner, const struct waf_match *match)
{
    struct ids *ids = owner;
    int n = snprintf(ids->text, ids->room, "%u ", match->rule->id);

    if (n > 0 && (size_t)n < ids->room) {
        ids->text += n;
        ids->room -= (size_t)n;
    }
}

int waf_rig_run(const struct waf_rules *rules, const char *target, const char *headers,
                struct span body, char *ret_ids, size_t room)
{
    struct waf_member fields[32];
    struct span rest = span_str(headers), line;
    struct ids ids = {ret_ids, room};
    const struct waf_ops ops = {on_match, &ids};
    unsigned count = 0;

    ret_ids[0] = '\0';
    while (span_next(&rest, '\n', &line) && count < ARRAY_SIZE(fields)) {
        ptrdiff_t colon = span_find(line, ':');
        if (colon > 0)
            fields[count++] = (struct waf_member){span_of(line.ptr, (size_t)colon),
                                                  span_trim(span_from(line, (size_t)colon + 1))};
    }
    const struct waf_request q = {.method = body.len ? SPAN("POST") : SPAN("GET"),
                                  .target = span_str(target),
                                  .protocol = SPAN("HTTP/1.1"),
                                  .client_address = SPAN("192.0.2.1"),
                                  .server_name = SPAN("localhost"),
                                  .unique_id = SPAN("id"),
                                  .headers = fields,
                                  .header_count = count,
                                  .now = nsec_monotonic()};
    struct waf_transaction *t = waf_transaction_create(rules, &q, &ops, 1 << 20);
    bool refused = waf_run(t, WAF_REQUEST_HEADERS);
    if (!refused) {
        waf_transaction_body(t, body);
        refused = waf_run(t, WAF_REQUEST_BODY);
    }
    (void)waf_run(t, WAF_LOGGING);
    int status = refused ? t->status : 0;
    waf_transaction_destroy(t);
    return status;
}
