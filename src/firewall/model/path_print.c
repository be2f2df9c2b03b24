/* A packet's path as people and programs see it. */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/escape.h"
#include "base/mem.h"
#include "firewall/model/path.h"
#include "report/printer.h"
#include "report/table.h"

static const char *family_name(const struct firewall_probe *probe)
{
    return probe->family == AF_INET6 ? "ipv6" : "ipv4";
}

static const char *protocol_name(const struct firewall_probe *probe)
{
    return probe->protocol == IPPROTO_UDP ? "udp" : "tcp";
}

static const char *layer_name(enum firewall_layer layer)
{
    static const char *const names[] = {
        [FIREWALL_NFTABLES] = "nftables",
        [FIREWALL_IPTABLES] = "iptables-legacy",
        [FIREWALL_TC] = "tc",
        [FIREWALL_XDP] = "xdp",
        [FIREWALL_KERNEL] = "kernel",
    };

    return names[layer];
}

static const char *witness_name(enum firewall_witness witness)
{
    static const char *const names[] = {
        [FIREWALL_BY_NOBODY] = "nobody",       [FIREWALL_BY_TRACE] = "trace",
        [FIREWALL_BY_COUNTERS] = "counters",   [FIREWALL_BY_DROP_REASON] = "drop reason",
        [FIREWALL_BY_SIMULATOR] = "simulator",
    };

    return names[witness];
}

static const char *obstacle_name(enum firewall_obstacle obstacle)
{
    static const char *const names[] = {
        [FIREWALL_NO_OBSTACLE] = NULL,
        [FIREWALL_NO_LISTENER] = "no listener",
        [FIREWALL_LISTENS_ELSEWHERE] = "listens elsewhere",
        [FIREWALL_NOT_LOCAL] = "not local",
        [FIREWALL_LINK_DOWN] = "link down",
        [FIREWALL_NO_WAY_BACK] = "no way back",
        [FIREWALL_NO_ROUTE] = "no route",
    };

    return names[obstacle];
}

/* ---- text ---- */

/* "inet filter input (input 0)" or "iptables-legacy ip filter INPUT". @return for free() */
static char *step_place(const struct firewall_step *step)
{
    const char *layer = step->layer == FIREWALL_NFTABLES ? "" : layer_name(step->layer);

    scoped(mem_release) char *hook =
        step->hook ? mem_format("(%s %d)", step->hook, step->priority) : NULL;
    char *place = mem_format("%s %s %s %s %s", layer, step->family ? step->family : "",
                             step->table ? step->table : "", step->chain ? step->chain : "",
                             hook ? hook : "");
    char *to = place, before = ' ';
    for (const char *from = place; *from; from++) { /* single blanks, none at the ends */
        if (*from != ' ' || before != ' ')
            *to++ = *from;
        before = *from;
    }
    if (to > place && to[-1] == ' ')
        to--;
    *to = '\0';
    return place;
}

/* The rule with its handle and its manager's name for it. @return for free() */
static char *step_rule(const struct firewall_step *step)
{
    const char *text = step->text ? step->text : step->policy ? "policy" : "";
    const char *origin = step->origin ? step->origin : "";
    const char *open = step->origin ? " (" : "", *close = step->origin ? ")" : "";

    if (step->handle && !step->policy)
        return mem_format("%s  # handle %llu%s%s%s", text, (unsigned long long)step->handle, open,
                          origin, close);
    return mem_format("%s%s%s%s", text, open, origin, close);
}

static void add_row(const struct printer *printer, struct table *table,
                    const struct firewall_path *path, size_t i)
{
    const struct firewall_step *step = &path->steps[i];
    bool culprit = i == path->culprit;
    enum printer_style style = culprit ? STYLE_RED : STYLE_PLAIN;
    scoped(mem_release) char *place = step_place(step);
    scoped(mem_release) char *rule = step_rule(step);
    scoped(mem_release) char *verdict =
        mem_format("%s%s%s", firewall_action_name(step->action), step->target ? " " : "",
                   step->target ? step->target : "");

    table_add(table, style, culprit ? (printer->unicode ? "✗" : "=>") : "");
    table_add(table, style, place);
    table_add(table, style, verdict);
    table_add(table, style, rule);
}

static const char *destination_text(const struct firewall_probe *probe,
                                    char text[FIREWALL_ADDRESS_TEXT])
{
    static const unsigned char none[16];

    if (memcmp(probe->destination, none, sizeof none) == 0)
        return "the host";
    return firewall_address_text(probe->family, probe->destination, text);
}

static void print_headline(const struct printer *printer, const struct firewall_path *path)
{
    const struct firewall_probe *probe = &path->probe;
    char source[FIREWALL_ADDRESS_TEXT], destination[FIREWALL_ADDRESS_TEXT];
    bool open = firewall_path_open(path);

    const char *word = open ? "open" : path->verdict == FIREWALL_UNKNOWN ? "unknown" : "closed";
    scoped(mem_release) char *question =
        mem_format("%u/%s over %s", (unsigned)probe->port, protocol_name(probe),
                   probe->family == AF_INET6 ? "IPv6" : "IPv4");
    unsigned column = (unsigned)strlen(question);

    printer_styled(printer, STYLE_BOLD, question);
    scoped(mem_release) char *way = mem_format(
        ", from %s to %s %s %s:",
        probe->out ? "this host" : firewall_address_text(probe->family, probe->source, source),
        destination_text(probe, destination), probe->out ? "by" : "on",
        probe->interface[0] ? probe->interface : "any interface");
    column = printer_flow(printer, column, 2, span_str(way));
    fputs(printer->width && column + 1 + strlen(word) > printer->width ? "\n  " : " ",
          printer->out);
    printer_styled(printer,
                   open                                ? STYLE_GREEN
                   : path->verdict == FIREWALL_UNKNOWN ? STYLE_YELLOW
                                                       : STYLE_RED,
                   word);
    fputc('\n', printer->out);
}

void firewall_path_print(const struct printer *printer, const struct firewall_path *path)
{
    static const char *const labels[] = {NULL, NULL, "verdict", "rule"};
    struct table table = {.columns = ARRAY_SIZE(labels), .labels = labels};

    print_headline(printer, path);
    for (size_t i = 0; i < path->count; i++)
        add_row(printer, &table, path, i);
    table_print(printer, &table);
    table_finish(&table);
    if (path->dropped)
        fprintf(printer->out, "and %zu more steps\n", path->dropped);
    if (path->reason) {
        scoped(mem_release) char *reason = escape_text(span_str(path->reason));
        printer_wrap(printer, 0, 0, reason);
    }
    if (path->hint) {
        printer_styled(printer, STYLE_GREEN, "->");
        fputc(' ', printer->out);
        scoped(mem_release) char *hint = escape_text(span_str(path->hint));
        printer_hint(printer, 3, hint);
    }
    findings_print(printer, &path->notes);
}

/* ---- JSON ---- */

/* Names of chains and rules are bytes; JSON is UTF-8. NULL for NULL. */
static json_t *text_json(const char *text)
{
    if (!text)
        return NULL;
    json_t *string = json_string(text);
    if (string)
        return string;
    scoped(mem_release) char *escaped = escape_text(span_str(text));
    return json_string(escaped);
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_t *value = text_json(text);

    if (value)
        json_object_set_new(object, key, value);
}

static json_t *step_json(const struct firewall_step *step)
{
    json_t *object = json_pack("{s:s}", "layer", layer_name(step->layer));

    set_text(object, "family", step->family);
    set_text(object, "table", step->table);
    set_text(object, "chain", step->chain);
    if (step->hook) {
        set_text(object, "hook", step->hook);
        json_object_set_new(object, "priority", json_integer(step->priority));
    }
    if (step->answer)
        json_object_set_new(object, "answer", json_true());
    json_object_set_new(object, "policy", json_boolean(step->policy));
    if (step->handle)
        json_object_set_new(object, "handle", json_integer((json_int_t)step->handle));
    set_text(object, "rule", step->text);
    set_text(object, "origin", step->origin);
    set_text(object, "verdict", firewall_action_name(step->action));
    set_text(object, "target", step->target);
    return object;
}

json_t *firewall_path_json(const struct firewall_path *path)
{
    const struct firewall_probe *probe = &path->probe;
    char source[FIREWALL_ADDRESS_TEXT], destination[FIREWALL_ADDRESS_TEXT];
    json_t *steps = json_array();

    for (size_t i = 0; i < path->count; i++)
        json_array_append_new(steps, step_json(&path->steps[i]));
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:b, s:s, s:s*}", "interface", probe->interface,
        "family", family_name(probe), "protocol", protocol_name(probe), "source",
        firewall_address_text(probe->family, probe->source, source), "destination",
        firewall_address_text(probe->family, probe->destination, destination), "port",
        (int)probe->port, "verdict", firewall_verdict_name(path->verdict), "open",
        firewall_path_open(path), "told_by", witness_name(path->witness), "obstacle",
        obstacle_name(path->obstacle));
    json_object_set_new(object, "direction", json_string(probe->out ? "out" : "in"));
    set_text(object, "reason", path->reason);
    set_text(object, "hint", path->hint);
    set_text(object, "forwarded", path->forwarded);
    if (path->culprit != FIREWALL_NO_CULPRIT)
        json_object_set_new(object, "culprit", json_integer((json_int_t)path->culprit));
    json_object_set_new(object, "steps", steps);
    json_object_set_new(object, "notes", findings_json(&path->notes));
    return object;
}
