/* How an eye's answer is shown: as text, as JSON, as a line for monitoring. */
#include <string.h>

#include "base/mem.h"
#include "cli/check_from.h"

void from_print_view(const struct printer *printer, const struct from *from,
                     const struct from_view *view)
{
    char ip[ADDRESS_TEXT];

    if (from_view_seen(view)) {
        scoped(mem_release) char *heading =
            mem_format("Port %u of %s, seen from %s (%s):", from->port, view->outcome.answer.source,
                       address_ip_text(&view->eye, ip), from->word);
        printer_style(printer, STYLE_BOLD);
        printer_wrap(printer, 0, 0, heading);
        printer_style(printer, STYLE_PLAIN);
        findings_print(printer, &view->outcome.answer.findings);
        findings_print(printer, &view->joined);
        fputc('\n', printer->out);
    }
    check_print_verdict(printer, view->well ? STYLE_GREEN : STYLE_RED, view->verdict, view->hint);
}

static json_t *view_json(const struct from_view *view)
{
    const struct eye_answer *answer = &view->outcome.answer;
    char ip[ADDRESS_TEXT];
    json_t *object = json_pack("{s:s, s:b, s:s, s:s*}", "eye", address_text(&view->eye, ip), "well",
                               view->well, "verdict", view->verdict, "hint", view->hint);

    if (view->error == 0 && answer->error) {
        json_object_set_new(object, "refused", json_string(eye_error_word(answer->error)));
        if (answer->wait)
            json_object_set_new(object, "wait", json_integer(answer->wait));
    }
    if (!from_view_seen(view))
        return object;
    json_object_set_new(object, "source", json_string(answer->source));
    json_object_set_new(object, "open", json_boolean(answer->open));
    json_object_set_new(object, "findings", findings_json(&answer->findings));
    json_object_set_new(object, "joined", findings_json(&view->joined));
    if (answer->metrics)
        json_object_set(object, "metrics", answer->metrics);
    if (view->inside_json)
        json_object_set(object, "inside", view->inside_json);
    return object;
}

json_t *from_json(const struct from *from)
{
    json_t *views = json_array();
    bool well = true;

    for (size_t i = 0; i < from->count; i++) {
        well = well && from->views[i].well;
        json_array_append_new(views, view_json(&from->views[i]));
    }
    return json_pack("{s:b, s:i, s:s*, s:o}", "well", well, "port", from->port, "name", from->name,
                     "views", views);
}

/* ---- monitoring ---- */

/* An eye that gives no answer says nothing about the site. */
static enum nagios view_code(const struct from *from, const struct from_view *view)
{
    enum finding_grade eye = findings_worst(&view->outcome.answer.findings);
    enum finding_grade joined = findings_worst(&view->joined);

    return !from_view_seen(view) ? NAGIOS_UNKNOWN
                                 : nagios_judge(view->well, from->request->expectations.count > 0,
                                                eye > joined ? eye : joined);
}

enum nagios from_print_nagios(const struct from *from)
{
    const struct from_view *decides = &from->views[0];
    enum nagios code = view_code(from, decides);
    char ip[ADDRESS_TEXT];

    for (size_t i = 1; i < from->count; i++) {
        enum nagios other = view_code(from, &from->views[i]);
        if (other != code && nagios_worse(code, other) == other) {
            decides = &from->views[i];
            code = other;
        }
    }
    const struct finding *unmet =
        from->request->expectations.count ? nagios_unmet(&decides->joined) : NULL;
    scoped(mem_release) char *sentence =
        mem_format("%s%s%s", unmet ? unmet->sentence : decides->verdict,
                   from_view_seen(decides) ? ", seen from " : "",
                   from_view_seen(decides) ? address_ip_text(&decides->eye, ip) : "");
    nagios_print_head(code, sentence);
    for (size_t i = 0; i < from->count; i++) {
        struct check_metrics metrics;
        const char *suffix = from->count == 1                       ? ""
                             : address_is_ipv6(&from->views[i].eye) ? "_ipv6"
                                                                    : "_ipv4";
        if (!from_view_seen(&from->views[i]))
            continue;
        check_metrics_read(from->views[i].outcome.answer.metrics, &metrics);
        nagios_print_data(&metrics, suffix);
    }
    fputc('\n', stdout);
    return code;
}
