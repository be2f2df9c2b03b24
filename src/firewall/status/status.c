/* Gathers the picture of ports from where each part is known. What is odd about it is
 * status_judge.c's, how it is printed status_print.c's. */
#include "firewall/status/status.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/mem.h"
#include "firewall/trace/why.h"
#include "os/network.h"

static const int families[STATUS_FAMILIES] = {AF_INET, AF_INET6};

static int protocol_of(struct port port)
{
    return port.protocol == PORT_TCP ? IPPROTO_TCP : IPPROTO_UDP;
}

/* ---- which ports ---- */

static bool somebody_listens(const struct listeners *listeners, struct port port)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->items[i].socket.port == port.number &&
            listeners->items[i].socket.protocol == protocol_of(port))
            return true;
    return false;
}

/* Does any number in the rules equal the port's? */
static bool rules_name(const json_t *json, uint16_t number)
{
    const char *key;
    json_t *item;
    size_t at;

    if (json_is_integer(json))
        return json_integer_value(json) == number;
    json_array_foreach(json, at, item)
    {
        if (rules_name(item, number))
            return true;
    }
    json_object_foreach((json_t *)(uintptr_t)json, key, item)
    {
        if (strcmp(key, "handle") != 0 && strcmp(key, "prio") != 0 && strcmp(key, "counter") != 0 &&
            rules_name(item, number))
            return true;
    }
    return false;
}

static void add_port(struct firewall_status *status, struct port port)
{
    for (size_t i = 0; i < status->count; i++)
        if (port_equal(status->ports[i].port, port))
            return;
    status->ports = mem_resize(status->ports, status->count + 1, sizeof *status->ports);
    status->ports[status->count++] = (struct port_status){.port = port};
}

static void choose_ports(struct firewall_status *status, const struct status_request *request,
                         const struct firewall_facts *facts)
{
    for (size_t i = 0; i < request->ports.count; i++)
        add_port(status, request->ports.items[i]);
    for (size_t i = 0; i < request->maybe.count; i++) {
        struct port port = request->maybe.items[i];
        if (somebody_listens(&status->listeners, port) || rules_name(facts->ruleset, port.number))
            add_port(status, port);
    }
}

/* ---- who listens ---- */

static void look_for_listeners(struct firewall_status *status, const struct status_request *request)
{
    const struct ports *lists[] = {&request->ports, &request->maybe};
    uint16_t numbers[2 * PORTS_MAX];
    size_t count = 0;
    unsigned how = request->here ? 0 : LISTENERS_SPACES;

    if (request->connect)
        how |= LISTENERS_CONNECT;
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            size_t at = 0;
            while (at < count && numbers[at] != lists[l]->items[i].number)
                at++;
            if (at == count)
                numbers[count++] = lists[l]->items[i].number;
        }
    listeners_look(numbers, count, how, &status->listeners);
}

static void note_listeners(struct firewall_status *status, struct port_status *port)
{
    for (size_t i = 0; i < status->listeners.count; i++) {
        const struct listener *listener = &status->listeners.items[i];
        if (listener->socket.port != port->port.number ||
            listener->socket.protocol != protocol_of(port->port))
            continue;
        port->listens = true;
        if (!listener->space && !sockdiag_loopback(&listener->socket))
            port->outside = true;
    }
}

/* ---- what the firewall says ---- */

/* Is there a chain that may drop what comes in? */
static bool has_rules(const struct firewall_facts *facts)
{
    static const char *const hooks[] = {"ingress", "prerouting", "input"};
    size_t at;
    json_t *item;

    json_array_foreach(facts->ruleset, at, item)
    {
        const json_t *chain = json_object_get(item, "chain");
        const char *type = json_string_value(json_object_get(chain, "type"));
        const char *hook = json_string_value(json_object_get(chain, "hook"));
        for (size_t i = 0; type && hook && i < ARRAY_SIZE(hooks); i++)
            if (strcmp(type, "filter") == 0 && strcmp(hook, hooks[i]) == 0)
                return true;
    }
    return facts->xt[IPTABLES_LEGACY][0].filter || facts->xt[IPTABLES_LEGACY][1].filter;
}

static void look_for_managers(struct firewall_status *status, const struct firewall_facts *facts)
{
    for (const struct manager *const *manager = managers; *manager; manager++) {
        struct manager_state seen = {.manager = *manager};
        if (strcmp((*manager)->system, "linux") != 0 || status->manager_count == STATUS_MANAGERS)
            continue;
        (*manager)->detect(facts, &seen.state);
        if (seen.state.presence == PRESENCE_ABSENT)
            free(seen.state.sentence);
        else
            status->managers[status->manager_count++] = seen;
    }
}

/* A family after the other: they may come in by different interfaces, each with its own stage. */
static void ask_ports(struct firewall_status *status)
{
    size_t count = status->count;
    struct firewall_question *questions = mem_resize(NULL, count + 1, sizeof *questions);
    struct firewall_answer *answers =
        mem_resize(NULL, count * STATUS_FAMILIES + 1, sizeof *answers);

    for (size_t i = 0; i < count; i++) {
        questions[i] = (struct firewall_question){.port = status->ports[i].port.number,
                                                  .protocol = protocol_of(status->ports[i].port)};
        for (size_t f = 0; f < STATUS_FAMILIES; f++)
            answers[f * count + i] =
                (struct firewall_answer){.question = &questions[i], .family = families[f]};
    }
    firewall_why_each(firewall_simulate_live, answers, count * STATUS_FAMILIES);
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < STATUS_FAMILIES; f++) /* no address: unknown, with the reason */
            status->ports[i].paths[f] = answers[f * count + i].path;
    free(answers);
    free(questions);
}

static void ask_firewall(struct firewall_status *status)
{
    for (int f = 0; f < STATUS_FAMILIES; f++) {
        struct network_place places[NETWORK_PLACES_MAX];
        status->has_family[f] = network_places(families[f], places) > 0;
        if (status->has_family[f] && !status->interface[0])
            memcpy(status->interface, places[0].interface, sizeof status->interface);
    }
    ask_ports(status);
}

void status_take(const struct status_request *request, struct firewall_status *ret_status)
{
    struct firewall_facts facts;

    *ret_status = (struct firewall_status){.named = request->named};
    firewall_facts_take(&facts, request->root, NULL);
    look_for_listeners(ret_status, request);
    choose_ports(ret_status, request, &facts);
    for (size_t i = 0; i < ret_status->count; i++)
        note_listeners(ret_status, &ret_status->ports[i]);
    look_for_managers(ret_status, &facts);
    ret_status->seen = facts.privileged;
    ret_status->filtered = has_rules(&facts);
    ask_firewall(ret_status);
    ret_status->system_default = status_system_default(request->root);
    cloud_detect(request->root, &ret_status->cloud);
    status_judge(ret_status);
    firewall_facts_finish(&facts);
}

void status_finish(struct firewall_status *status)
{
    for (size_t i = 0; i < status->count; i++)
        for (int f = 0; f < STATUS_FAMILIES; f++)
            firewall_path_finish(&status->ports[i].paths[f]);
    free(status->ports);
    for (size_t i = 0; i < status->manager_count; i++)
        free(status->managers[i].state.sentence);
    listeners_finish(&status->listeners);
    findings_finish(&status->findings);
    *status = (struct firewall_status){0};
}
