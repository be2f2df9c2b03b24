/* The picture of ports as a table for people and as JSON for programs. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/mem.h"
#include "firewall/status/status.h"
#include "report/printer.h"
#include "report/table.h"

enum { ROWS_MAX = 20 }; /* of one port in the table */

static const char *const family_keys[STATUS_FAMILIES] = {"ipv4", "ipv6"};

const char *status_word(const struct firewall_status *status, const struct port_status *port,
                        int family)
{
    const struct firewall_path *path = &port->paths[family];

    if (!status->has_family[family])
        return "-";
    switch (path->verdict) {
    case FIREWALL_ACCEPTED:
        return "open";
    case FIREWALL_FORWARDED:
        return "forwarded";
    case FIREWALL_DROPPED:
    case FIREWALL_REJECTED:
        return "closed";
    case FIREWALL_UNKNOWN:
        break;
    }
    return "unknown";
}

static enum printer_style word_style(const char *word)
{
    return strcmp(word, "open") == 0     ? STYLE_GREEN
           : strcmp(word, "closed") == 0 ? STYLE_RED
           : strcmp(word, "-") == 0      ? STYLE_DIM
                                         : STYLE_YELLOW;
}

static bool belongs(const struct listener *listener, const struct port_status *port)
{
    int protocol = port->port.protocol == PORT_TCP ? IPPROTO_TCP : IPPROTO_UDP;

    return listener->socket.port == port->port.number && listener->socket.protocol == protocol;
}

/* "www-data", or the number. @return `text` */
static const char *user_text(uid_t uid, char text[64])
{
    const struct passwd *account = getpwuid(uid);

    if (account)
        snprintf(text, 64, "%s", account->pw_name);
    else
        snprintf(text, 64, "%u", (unsigned)uid);
    return text;
}

/* ---- the table ---- */

/* "nginx (pid 12 and 4 more, root), docker 0123456789ab" */
static char *program_text(const struct listener *listener)
{
    char user[64], more[32] = "";
    size_t others = listener->holder_count + listener->holders_more;
    const char *comma = listener->space ? ", " : "";
    const char *where = listener->container[0] ? listener->container
                        : listener->space      ? "another network namespace"
                                               : "";

    if (!listener->holder_count)
        return mem_format("a program of user %s%s%s", user_text(listener->socket.uid, user), comma,
                          where);
    if (others > 1)
        snprintf(more, sizeof more, " and %zu more", others - 1);
    return mem_format(
        "%s (pid %d%s, %s)%s%s", listener->holders[0].program, (int)listener->holders[0].pid, more,
        user_text(listener->holders[0].uid, user), *where && !*comma ? ", " : comma, where);
}

/* "0.0.0.0:443", "[::]:443 (IPv6 only)", "0.0.0.0:443 on eth0" */
static char *address_text(const struct listener *listener)
{
    const struct sockdiag_socket *socket = &listener->socket;
    char address[80], name[IF_NAMESIZE] = "";
    static const uint8_t any[16];
    bool lone = socket->family == AF_INET6 && socket->v6only &&
                memcmp(socket->address, any, sizeof any) == 0;

    if (socket->interface && !listener->space)
        if_indextoname(socket->interface, name);
    sockdiag_text(socket, address);
    return mem_format("%s%s%s%s", address, lone ? " (IPv6 only)" : "",
                      name[0] && !strchr(address, '%') ? " on " : "",
                      strchr(address, '%') ? "" : name);
}

static char *waiting_text(const struct sockdiag_socket *socket)
{
    return socket->protocol == IPPROTO_TCP
               ? mem_format("%u of %u", socket->waiting, socket->waiting_most)
               : mem_string(SPAN("-"));
}

static const char *connects_text(const struct listener *listener)
{
    if (listener->connects == 1)
        return "yes";
    return listener->connects == 0 || listener->connects == -ETIMEDOUT ? "no" : "-";
}

static void add_listener(struct table *table, const struct listener *listener)
{
    scoped(mem_release) char *address = address_text(listener);
    scoped(mem_release) char *program = program_text(listener);
    scoped(mem_release) char *waiting = waiting_text(&listener->socket);
    const char *connects = connects_text(listener);

    table_add(table, STYLE_PLAIN, address);
    table_add(table, STYLE_PLAIN, waiting);
    table_add(table, strcmp(connects, "no") == 0 ? STYLE_RED : STYLE_PLAIN, connects);
    table_add(table, STYLE_PLAIN, program);
}

/* What stands before the listeners; only the first row of a port has it. */
static void begin_row(struct table *table, const struct firewall_status *status,
                      const struct port_status *port, bool first)
{
    char text[PORT_TEXT];

    table_add(table, STYLE_BOLD, first ? port_text(port->port, text) : "");
    for (int f = 0; f < STATUS_FAMILIES; f++) {
        const char *word = first ? status_word(status, port, f) : "";
        table_add(table, word_style(word), word);
    }
}

static void add_port(struct table *table, const struct firewall_status *status,
                     const struct port_status *port)
{
    size_t shown = 0, more = 0;

    for (size_t i = 0; i < status->listeners.count; i++) {
        if (!belongs(&status->listeners.items[i], port))
            continue;
        if (shown == ROWS_MAX) {
            more++;
            continue;
        }
        begin_row(table, status, port, shown++ == 0);
        add_listener(table, &status->listeners.items[i]);
        table_end_row(table);
    }
    if (shown && !more)
        return;
    scoped(mem_release) char *text =
        more ? mem_format("and %zu more (see --json)", more) : mem_string(SPAN("nobody listens"));
    begin_row(table, status, port, shown == 0);
    table_add(table, STYLE_DIM, text);
    table_end_row(table);
}

static void print_label(const struct printer *printer, const char *label)
{
    printer_style(printer, STYLE_BOLD);
    fprintf(printer->out, "%-10s", label);
    printer_style(printer, STYLE_PLAIN);
}

static const char *no_manager(const struct firewall_status *status)
{
    if (!status->seen)
        return "which one is in charge is shown to root only";
    if (status->filtered)
        return "the kernel has rules for what comes in, and none of the known managers is in "
               "charge";
    return "none is in force: strangers reach whatever listens on an address that is not loopback";
}

static void print_managers(const struct printer *printer, const struct firewall_status *status)
{
    bool any = false;

    for (size_t i = 0; i < status->manager_count; i++) {
        const struct manager_state *seen = &status->managers[i];
        if (seen->state.presence == PRESENCE_IDLE)
            continue;
        scoped(mem_release) char *told = escape_text(span_str(seen->state.sentence));
        scoped(mem_release) char *line = mem_format(
            "%s is %s: %s", seen->manager->name,
            seen->state.presence == PRESENCE_IN_FORCE ? "in charge" : "maybe in charge", told);
        print_label(printer, any ? "" : "firewall");
        printer_wrap(printer, 10, 10, line);
        any = true;
    }
    if (!any) {
        print_label(printer, "firewall");
        printer_wrap(printer, 10, 10, no_manager(status));
    }
    print_label(printer, "default");
    printer_wrap(printer, 10, 10, status->system_default);
}

void status_print(const struct printer *printer, const struct firewall_status *status)
{
    static const char *const heads[] = {"PORT",    "IPv4",  "IPv6",   "LISTENS ON",
                                        "WAITING", "TAKES", "PROGRAM"};
    struct table table = {.columns = ARRAY_SIZE(heads), .labels = heads, .headed = true};
    struct ports ports = {.count = 0};

    for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
        table_add(&table, STYLE_DIM, heads[i]);
    for (size_t i = 0; i < status->count; i++) {
        add_port(&table, status, &status->ports[i]);
        if (ports.count < PORTS_MAX)
            ports.items[ports.count++] = status->ports[i].port;
    }
    table_print(printer, &table);
    table_finish(&table);
    fputc('\n', printer->out);
    print_managers(printer, status);
    if (status->findings.count)
        fputc('\n', printer->out);
    findings_print(printer, &status->findings);
    if (status->cloud.provider) {
        fputc('\n', printer->out);
        cloud_print(printer, &status->cloud, &ports);
    }
}

/* ---- JSON ---- */

/* Another's bytes as JSON text. */
static json_t *foreign(const char *text)
{
    scoped(mem_release) char *escaped = escape_text(span_str(text));

    return json_string(escaped);
}

static json_t *holder_json(const struct listener_holder *holder)
{
    char user[64];

    return json_pack("{s:i, s:i, s:o, s:o, s:o}", "pid", (int)holder->pid, "uid", (int)holder->uid,
                     "user", foreign(user_text(holder->uid, user)), "program",
                     foreign(holder->program), "command", foreign(holder->command));
}

static json_t *listener_json(const struct listener *listener)
{
    const struct sockdiag_socket *socket = &listener->socket;
    char address[80], name[IF_NAMESIZE];
    json_t *holders = json_array();

    for (size_t i = 0; i < listener->holder_count; i++)
        json_array_append_new(holders, holder_json(&listener->holders[i]));
    json_t *object = json_pack(
        "{s:s, s:b, s:b, s:b, s:i, s:i, s:I, s:o, s:I}", "address", sockdiag_text(socket, address),
        "ipv4", sockdiag_takes(socket, AF_INET), "ipv6", sockdiag_takes(socket, AF_INET6),
        "loopback", sockdiag_loopback(socket), "uid", (int)socket->uid, "sockets",
        (int)listener->sockets, "inode", (json_int_t)socket->inode, "processes", holders,
        "processes_more", (json_int_t)listener->holders_more);
    if (socket->protocol == IPPROTO_TCP) {
        json_object_set_new(object, "waiting", json_integer(socket->waiting));
        json_object_set_new(object, "waiting_most", json_integer(socket->waiting_most));
        if (strcmp(connects_text(listener), "-") != 0)
            json_object_set_new(object, "takes_connections", json_boolean(listener->connects == 1));
    }
    if (socket->interface && !listener->space && if_indextoname(socket->interface, name))
        json_object_set_new(object, "interface", foreign(name));
    if (listener->space)
        json_object_set_new(object, "namespace", json_integer((json_int_t)listener->space));
    if (listener->container[0])
        json_object_set_new(object, "container", json_string(listener->container));
    return object;
}

static json_t *port_json(const struct firewall_status *status, const struct port_status *port)
{
    char text[PORT_TEXT];
    json_t *listeners = json_array();
    json_t *object =
        json_pack("{s:s, s:i, s:s, s:b, s:b, s:o}", "name", port_text(port->port, text), "port",
                  (int)port->port.number, "protocol", port_protocol_name(port->port.protocol),
                  "listens", port->listens, "outside", port->outside, "listeners", listeners);

    for (size_t i = 0; i < status->listeners.count; i++)
        if (belongs(&status->listeners.items[i], port))
            json_array_append_new(listeners, listener_json(&status->listeners.items[i]));
    for (int f = 0; f < STATUS_FAMILIES; f++) {
        const char *word = status_word(status, port, f);
        json_t *path = strcmp(word, "-") == 0 ? json_object() : firewall_path_json(&port->paths[f]);
        json_object_set_new(path, "state",
                            json_string(strcmp(word, "-") == 0 ? "no address" : word));
        json_object_set_new(object, family_keys[f], path);
    }
    return object;
}

static json_t *managers_json(const struct firewall_status *status)
{
    json_t *list = json_array();

    for (size_t i = 0; i < status->manager_count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:o}", "name", status->managers[i].manager->name,
                            "presence", presence_name(status->managers[i].state.presence),
                            "sentence", foreign(status->managers[i].state.sentence)));
    return list;
}

json_t *status_json(const struct firewall_status *status)
{
    json_t *list = json_array();
    struct ports ports = {.count = 0};

    for (size_t i = 0; i < status->count; i++) {
        json_array_append_new(list, port_json(status, &status->ports[i]));
        if (ports.count < PORTS_MAX)
            ports.items[ports.count++] = status->ports[i].port;
    }
    json_t *object = json_pack("{s:o, s:o, s:s, s:o}", "ports", list, "firewall",
                               managers_json(status), "system_default", status->system_default,
                               "findings", findings_json(&status->findings));
    if (status->seen)
        json_object_set_new(object, "filtered", json_boolean(status->filtered));
    if (status->cloud.provider)
        json_object_set_new(object, "cloud", cloud_json(&status->cloud, &ports));
    return object;
}
