/* The manager firewalld: services and ports of a zone, now and for good, by its D-Bus interface.
 * Its rules carry no tag, so what was added is kept in the state folder, a line each:
 * "public permanent service https". */
#include "firewall/linux/firewalld.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "firewall/linux/bus.h"
#include "firewall/plan/journal.h"
#include "firewall/plan/manager.h"

#define NAME "firewalld"

enum { ITEM_TEXT = 160, DETAIL_MAX = 64 * 1024 };

enum scope { SCOPE_PERMANENT, SCOPE_RUNTIME, SCOPES };
enum kind { KIND_SERVICE, KIND_PORT, KIND_RULE, KINDS };

static const char *const scope_names[SCOPES] = {"permanent", "runtime"};
static const char *const kind_names[KINDS] = {"service", "port", "rule"};

/** Something that a zone lets in. */
struct item {
    enum kind kind;
    char text[ITEM_TEXT]; /**< "https"; "8443/tcp"; a rich rule */
};

/* Its table, or its chains where its settings say FirewallBackend=iptables. */
static bool has_rules(const struct firewall_facts *facts)
{
    bool rules = firewall_facts_has_table(facts, "inet", "firewalld");

    for (int flavour = 0; flavour < IPTABLES_FLAVOURS; flavour++)
        rules = rules || firewall_facts_has_firewalld(facts, (enum iptables_flavour)flavour);
    return rules;
}

/* Within a container the bus may be the host's, whose firewalld filters another network. */
static void detect(const struct firewall_facts *facts, struct detection *ret_state)
{
    bool rules = has_rules(facts);

    if (facts->firewalld_on_bus && (rules || !facts->privileged))
        *ret_state = (struct detection){
            PRESENCE_IN_FORCE, mem_format("it answers on D-Bus as %s%s", FIREWALLD_SERVICE,
                                          rules ? ", and its rules are in the kernel" : "")};
    else if (facts->firewalld_on_bus)
        *ret_state = (struct detection){
            PRESENCE_IDLE,
            mem_format("it answers on D-Bus, but none of its rules is in this network")};
    else if (rules)
        *ret_state = (struct detection){
            PRESENCE_UNKNOWN,
            mem_format("its rules are in the kernel, but %s",
                       bus_available()
                           ? "it does not answer on D-Bus"
                           : "this gardien is built without libsystemd and cannot ask it")};
    else
        *ret_state = (struct detection){
            facts->has_firewalld ? PRESENCE_IDLE : PRESENCE_ABSENT,
            mem_format("firewalld is not %s", facts->has_firewalld ? "running" : "installed")};
}

/* ---- facts ---- */

static const json_t *zone_of(const struct firewall_facts *facts, const char *zone)
{
    return json_object_get(json_object_get(facts->firewalld, "zones"), zone);
}

static const char *default_zone(const struct firewall_facts *facts)
{
    const char *zone = json_string_value(json_object_get(facts->firewalld, "default"));

    return zone ? zone : "public";
}

static bool has_text(const json_t *array, const char *text)
{
    size_t i;
    json_t *item;

    json_array_foreach(array, i, item)
    {
        const char *value = json_string_value(item);
        if (value && strcmp(value, text) == 0)
            return true;
    }
    return false;
}

static const char *zone_of_interface(const struct firewall_facts *facts, const char *interface)
{
    const char *name;
    json_t *zone;

    json_object_foreach(json_object_get(facts->firewalld, "zones"), name, zone)
    {
        if (has_text(json_object_get(zone, "interfaces"), interface))
            return name;
    }
    return default_zone(facts);
}

static bool in_range(const char *range, uint16_t number)
{
    struct span whole = span_str(range);
    ptrdiff_t dash = span_find(whole, '-');
    uint64_t first, last;

    return span_to_uint(dash < 0 ? whole : span_of(range, (size_t)dash), &first) >= 0 &&
           span_to_uint(dash < 0 ? whole : span_from(whole, (size_t)dash + 1), &last) >= 0 &&
           first <= number && number <= last;
}

/* Is the port among a zone's ports, alone or within a range? */
static bool has_port(const json_t *settings, struct port port)
{
    size_t i;
    json_t *pair;

    json_array_foreach(json_object_get(settings, "ports"), i, pair)
    {
        const char *range = json_string_value(json_array_get(pair, 0));
        const char *protocol = json_string_value(json_array_get(pair, 1));
        if (range && protocol && strcmp(protocol, port_protocol_name(port.protocol)) == 0 &&
            in_range(range, port.number))
            return true;
    }
    return false;
}

/* The service that firewalld has for a port by default, or NULL. */
static const char *service_of(struct port port)
{
    if (port.number == 80 && port.protocol == PORT_TCP)
        return "http";
    if (port.number == 443)
        return port.protocol == PORT_TCP ? "https" : "http3";
    return NULL;
}

static const json_t *settings_of(const struct firewall_facts *facts, const char *zone,
                                 enum scope scope)
{
    return json_object_get(zone_of(facts, zone), scope_names[scope]);
}

/* Does the zone let the port in for everybody? A zone of target ACCEPT lets in all. */
static bool lets_in(const json_t *settings, struct port port)
{
    const char *service = service_of(port);
    const char *target = json_string_value(json_object_get(settings, "target"));

    return (target && strcmp(target, "ACCEPT") == 0) || has_port(settings, port) ||
           (service && has_text(json_object_get(settings, "services"), service));
}

/* Is exactly this there? A range that holds the port is another item. */
static bool has_item(const json_t *settings, const struct item *item)
{
    size_t i;
    json_t *pair;

    if (item->kind == KIND_RULE)
        return has_text(json_object_get(settings, "rules_str"), item->text);
    if (item->kind == KIND_SERVICE)
        return has_text(json_object_get(settings, "services"), item->text);
    json_array_foreach(json_object_get(settings, "ports"), i, pair)
    {
        const char *number = json_string_value(json_array_get(pair, 0));
        const char *protocol = json_string_value(json_array_get(pair, 1));
        scoped(mem_release) char *text =
            mem_format("%s/%s", number ? number : "", protocol ? protocol : "");
        if (strcmp(text, item->text) == 0)
            return true;
    }
    return false;
}

/* ---- steps ---- */

/* One step: where, what, and whether it is added or removed. */
struct change {
    const struct firewall_facts *facts;
    const char *zone;
    enum scope scope;
    const struct item *item;
};

static void add_word(char ***words, size_t *count, const char *word)
{
    *words = mem_resize(*words, *count + 2, sizeof **words);
    (*words)[(*count)++] = mem_string(span_str(word));
    (*words)[*count] = NULL;
}

/* addService(zone, service, timeout), addPort(zone, port, protocol, timeout),
 * addRichRule(zone, rule, timeout); for good: the same of the zone's own object, without zone and
 * timeout. Removing takes no timeout. */
static void make_call(const struct change *change, bool add, struct plan_action *ret_action)
{
    static const char *const methods[KINDS][2] = {{"removeService", "addService"},
                                                  {"removePort", "addPort"},
                                                  {"removeRichRule", "addRichRule"}};
    bool runtime = change->scope == SCOPE_RUNTIME;
    const char *path =
        json_string_value(json_object_get(zone_of(change->facts, change->zone), "path"));
    const char *slash = change->item->kind == KIND_PORT ? strchr(change->item->text, '/') : NULL;
    size_t count = 0;

    ret_action->kind = PLAN_DBUS;
    ret_action->dbus.service = mem_format("%s", FIREWALLD_SERVICE);
    ret_action->dbus.path = mem_format("%s", runtime ? FIREWALLD_PATH : path);
    ret_action->dbus.interface =
        mem_format("%s", runtime ? FIREWALLD_SERVICE ".zone" : FIREWALLD_SERVICE ".config.zone");
    ret_action->dbus.method = mem_format("%s", methods[change->item->kind][add]);
    ret_action->dbus.types =
        mem_format("%ss%s%s", runtime ? "s" : "", slash ? "s" : "", runtime && add ? "i" : "");
    ret_action->dbus.fine = mem_format("%s", add ? "ALREADY_ENABLED" : "NOT_ENABLED");
    if (runtime)
        add_word(&ret_action->dbus.args, &count, change->zone);
    scoped(mem_release) char *first =
        mem_string(slash ? span_of(change->item->text, (size_t)(slash - change->item->text))
                         : span_str(change->item->text));
    add_word(&ret_action->dbus.args, &count, first);
    if (slash)
        add_word(&ret_action->dbus.args, &count, slash + 1);
    if (runtime && add)
        add_word(&ret_action->dbus.args, &count, "0");
}

static char *type_command(const struct change *change, bool add)
{
    static const char *const options[KINDS] = {"service", "port", "rich-rule"};
    const char *quote = change->item->kind == KIND_RULE ? "'" : "";

    return mem_format("firewall-cmd %s--zone=%s --%s-%s=%s%s%s",
                      change->scope == SCOPE_PERMANENT ? "--permanent " : "", change->zone,
                      add ? "add" : "remove", options[change->item->kind], quote,
                      change->item->text, quote);
}

static struct plan_step *add_step(const struct change *change, bool add, struct plan *plan)
{
    struct plan_step *step = plan_add(
        plan, NAME, "%s %s %s zone %s, %s", add ? "adds" : "removes",
        change->item->kind == KIND_RULE ? "a rule" : change->item->text, add ? "to" : "from",
        change->zone, change->scope == SCOPE_RUNTIME ? "now" : "for reloads and restarts");

    if (json_object_get(zone_of(change->facts, change->zone), "path")) {
        make_call(change, add, &step->action);
        make_call(change, !add, &step->undo);
    }
    step->typed = type_command(change, add);
    step->untyped = type_command(change, !add);
    return step;
}

/* ---- open ---- */

static void make_item(const struct firewall_facts *facts, const struct firewall_request *request,
                      struct port port, struct item *ret_item)
{
    const char *service = service_of(port);
    char network[NETWORK_TEXT], text[PORT_TEXT];
    /* An older firewalld has no http3. */
    bool known = service && (!facts->firewalld ||
                             has_text(json_object_get(facts->firewalld, "services"), service));

    ret_item->kind = request->from.family ? KIND_RULE : known ? KIND_SERVICE : KIND_PORT;
    if (request->from.family)
        snprintf(ret_item->text, ITEM_TEXT,
                 "rule family=\"ipv%d\" source address=\"%s\" port port=\"%u\" protocol=\"%s\" "
                 "accept",
                 request->from.family, network_text(&request->from, network), port.number,
                 port_protocol_name(port.protocol));
    else
        snprintf(ret_item->text, ITEM_TEXT, "%s", known ? service : port_text(port, text));
}

static void note_change(struct buffer *detail, const struct change *change)
{
    scoped(mem_release) char *line =
        mem_format("%s %s %s %s\n", change->zone, scope_names[change->scope],
                   kind_names[change->item->kind], change->item->text);
    int r = buffer_append(detail, line, strlen(line));

    (void)r; /* 64 KiB hold hundreds of lines; more is beyond what a person opens */
}

/* The steps that open one port in some zones; one record tells of them all, after what is recorded
 * already. */
/* A firewall that drops everything refuses changes of what counts now. */
static bool is_panicking(const struct firewall_facts *facts)
{
    return json_is_true(json_object_get(facts->firewalld, "panic"));
}

static void open_port(const struct firewall_facts *facts, const struct firewall_request *request,
                      const json_t *zones, struct port port, struct plan *plan)
{
    struct buffer detail = buffer_make(DETAIL_MAX);
    size_t before = plan->count, i;
    struct item item;
    json_t *zone;

    make_item(facts, request, port, &item);
    json_array_foreach(zones, i, zone)
    {
        for (enum scope scope = 0; scope < SCOPES; scope++) {
            const json_t *settings = settings_of(facts, json_string_value(zone), scope);
            const struct change change = {facts, json_string_value(zone), scope, &item};
            if (lets_in(settings, port) || has_item(settings, &item))
                continue;
            if (scope == SCOPE_RUNTIME && is_panicking(facts))
                continue; /* it takes no orders then */
            if (scope != SCOPE_RUNTIME && leaves_files(facts, request))
                continue;
            add_step(&change, true, plan);
            note_change(&detail, &change);
        }
    }
    if (plan->count > before) {
        const char *old = NULL;
        bool known = journal_find(facts->done, NAME, port, &old);
        struct plan_step *step = &plan->items[before];
        scoped(mem_release) char *fresh = mem_string(buffer_span(&detail));
        step->record.what = PLAN_RECORD_OPENED;
        step->record.port = port;
        step->record.detail = mem_format("%s%s", known && old ? old : "", fresh);
        step->record.before = known ? mem_string(span_str(old ? old : "")) : NULL;
    }
    buffer_finish(&detail);
}

static void note_panic(const struct firewall_facts *facts, struct plan *plan)
{
    if (is_panicking(facts))
        finding_hint(findings_add(&plan->notes, FINDING_BAD, "panic",
                                  "firewalld is in panic mode, in which it drops every packet: "
                                  "what is opened counts once that is over"),
                     "firewall-cmd --panic-off && firewall-cmd --reload");
}

static void add_zone(json_t *zones, const char *zone)
{
    if (!has_text(zones, zone))
        json_array_append_new(zones, json_string(zone));
}

/* Named, or the interface's; else those of the interfaces towards the world. */
static json_t *choose_zones(const struct firewall_facts *facts,
                            const struct firewall_request *request)
{
    json_t *zones = json_array(), *uplink;
    size_t i;

    if (request->zone)
        add_zone(zones, request->zone);
    else if (request->interface)
        add_zone(zones, zone_of_interface(facts, request->interface));
    else
        json_array_foreach(json_object_get(facts->firewalld, "uplinks"), i, uplink)
            add_zone(zones, zone_of_interface(facts, json_string_value(uplink)));
    if (json_array_size(zones) == 0)
        add_zone(zones, default_zone(facts));
    return zones;
}

/* Without rights nothing is changed, and firewalld may keep its zones to root. */
static int check_zones(const struct firewall_facts *facts, const json_t *zones, struct diags *diags)
{
    size_t i;
    json_t *zone;

    if (!facts->here || !facts->privileged)
        return 0;
    if (!facts->firewalld) {
        diag_hint(diags_add(diags, "firewalld does not say what its zones are"),
                  "`firewall-cmd --list-all` shows why; as root it may answer");
        return -EIO;
    }
    json_array_foreach(zones, i, zone)
    {
        if (json_object_get(zone_of(facts, json_string_value(zone)), "permanent"))
            continue;
        diag_hint(diags_add(diags, "firewalld has no zone %s that lasts", json_string_value(zone)),
                  "`firewall-cmd --permanent --get-zones` lists them");
        return ERR_SETTINGS;
    }
    return 0;
}

static int plan_open(const struct firewall_facts *facts, const struct firewall_request *request,
                     struct plan *plan, struct diags *diags)
{
    json_t *zones = choose_zones(facts, request);
    int r = check_zones(facts, zones, diags);

    if (r >= 0 && request->interface && !request->zone)
        findings_add(&plan->notes, FINDING_NOTE, "firewall",
                     "firewalld opens for a zone: other interfaces of zone %s are opened too",
                     json_string_value(json_array_get(zones, 0)));
    if (facts->here && !facts->privileged &&
        !settings_of(facts, json_string_value(json_array_get(zones, 0)), SCOPE_RUNTIME))
        findings_add(&plan->notes, FINDING_UNKNOWN, "rights",
                     "firewalld tells its zones to root only: they may be open already");
    for (size_t i = 0; r >= 0 && i < request->ports.count; i++)
        open_port(facts, request, zones, request->ports.items[i], plan);
    if (r >= 0)
        note_panic(facts, plan);
    json_decref(zones);
    return r;
}

/* ---- close ---- */

static int find_name(struct span word, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal(word, span_str(names[i])))
            return (int)i;
    return -1;
}

/* Reads a line of a record back and plans its removal, where the item still is. */
static void close_line(const struct firewall_facts *facts, struct span line, struct plan *plan)
{
    struct span zone, scope, kind;

    if (!span_next(&line, ' ', &zone) || !span_next(&line, ' ', &scope) ||
        !span_next(&line, ' ', &kind) || line.len >= ITEM_TEXT)
        return;
    int where = find_name(scope, scope_names, SCOPES), what = find_name(kind, kind_names, KINDS);
    if (where < 0 || what < 0)
        return;
    scoped(mem_release) char *name = mem_string(zone);
    struct item item = {.kind = (enum kind)what};
    memcpy(item.text, line.ptr, line.len);
    const struct change change = {facts, name, (enum scope)where, &item};
    if (has_item(settings_of(facts, name, change.scope), &item))
        add_step(&change, false, plan);
}

static void close_ours(const struct firewall_facts *facts, struct port port, struct plan *plan)
{
    const char *detail = NULL;
    size_t before = plan->count;
    struct span rest, line;

    if (!journal_find(facts->done, NAME, port, &detail))
        return;
    if (!facts->firewalld) {
        findings_add(&plan->notes, FINDING_WARNING, "firewall",
                     "firewalld does not answer: what gardien opened in its settings stays there "
                     "until it runs and this is asked again");
        return;
    }
    rest = span_str(detail);
    while (span_next(&rest, '\n', &line))
        close_line(facts, line, plan);
    if (plan->count == before) /* others took it back: only the record is left */
        plan_add(plan, NAME, "forgets what was taken back by others already");
    plan->items[before].record.what = PLAN_RECORD_CLOSED;
    plan->items[before].record.port = port;
    plan->items[before].record.detail = mem_string(span_str(detail));
}

static bool is_planned(const struct plan *plan, const char *typed)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].typed && strcmp(plan->items[i].typed, typed) == 0)
            return true;
    return false;
}

static void close_theirs(const struct change *change, struct port port, struct plan *plan)
{
    scoped(mem_release) char *typed = type_command(change, false);
    const json_t *settings = settings_of(change->facts, change->zone, change->scope);
    char text[PORT_TEXT];

    if (!has_item(settings, change->item) || is_planned(plan, typed))
        return;
    findings_add(&plan->notes, FINDING_WARNING, "firewall",
                 "zone %s lets %s in by %s %s, which gardien did not add", change->zone,
                 port_text(port, text), kind_names[change->item->kind], change->item->text);
    add_step(change, false, plan);
}

/* Services and ports that name this port; a range is more than this port and stays. */
static void force_port(const struct firewall_facts *facts, const struct firewall_request *request,
                       struct port port, struct plan *plan)
{
    struct item port_item = {.kind = KIND_PORT}, service = {.kind = KIND_SERVICE};
    const char *name;
    json_t *zone;

    port_text(port, port_item.text);
    snprintf(service.text, ITEM_TEXT, "%s", service_of(port) ? service_of(port) : "");
    json_object_foreach(json_object_get(facts->firewalld, "zones"), name, zone)
    {
        for (enum scope scope = 0;
             scope < SCOPES && (!request->zone || !strcmp(request->zone, name)); scope++) {
            close_theirs(&(struct change){facts, name, scope, &service}, port, plan);
            close_theirs(&(struct change){facts, name, scope, &port_item}, port, plan);
        }
    }
}

/* All that gardien opened, by its records. */
static void close_all(const struct firewall_facts *facts, struct plan *plan)
{
    size_t i;
    json_t *entry;

    json_array_foreach(facts->done, i, entry)
    {
        const char *manager = json_string_value(json_object_get(entry, "manager"));
        const char *text = json_string_value(json_object_get(entry, "port"));
        struct diags ignored = {0};
        struct port port;
        if (manager && text && strcmp(manager, NAME) == 0 && port_parse(text, &ignored, &port) >= 0)
            close_ours(facts, port, plan);
        diags_finish(&ignored);
    }
}

static int plan_close(const struct firewall_facts *facts, const struct firewall_request *request,
                      struct plan *plan, struct diags *diags)
{
    (void)diags;
    if (request->ports.count == 0)
        close_all(facts, plan);
    for (size_t i = 0; i < request->ports.count; i++) {
        close_ours(facts, request->ports.items[i], plan);
        if (request->force)
            force_port(facts, request, request->ports.items[i], plan);
    }
    return 0;
}

const struct manager manager_firewalld = {
    .name = NAME,
    .system = "linux",
    .detect = detect,
    .plan_open = plan_open,
    .plan_close = plan_close,
};
