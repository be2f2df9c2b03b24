/* What is odd about a picture of ports, judged from made-up pictures. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "firewall/firewall.h"
#include "report/printer.h"

/* A picture of 443/tcp with addresses of both families and a firewall in force. */
static struct firewall_status picture(enum firewall_verdict ipv4, enum firewall_verdict ipv6)
{
    struct firewall_status status = {
        .count = 1,
        .has_family = {true, true},
        .filtered = true,
        .system_default = "",
    };

    status.ports = mem_new(struct port_status);
    status.ports->port = (struct port){443, PORT_TCP};
    for (int f = 0; f < STATUS_FAMILIES; f++) {
        struct firewall_probe probe = {
            .family = f ? AF_INET6 : AF_INET, .protocol = IPPROTO_TCP, .port = 443};
        firewall_path_init(&status.ports->paths[f], &probe);
        status.ports->paths[f].verdict = f ? ipv6 : ipv4;
    }
    return status;
}

static struct listener *add_listener(struct firewall_status *status, int family,
                                     const char *address)
{
    struct listeners *all = &status->listeners;

    all->items = mem_resize(all->items, all->count + 1, sizeof *all->items);
    struct listener *listener = &all->items[all->count++];
    *listener = (struct listener){
        .socket = {.protocol = IPPROTO_TCP, .family = family, .port = 443, .waiting_most = 128},
        .sockets = 1,
        .connects = 1};
    assert_int_equal(inet_pton(family, address, listener->socket.address), 1);
    listener->holders = mem_new(struct listener_holder);
    listener->holders->pid = 12;
    listener->holders->command = mem_string(SPAN("nginx: master"));
    snprintf(listener->holders->program, sizeof listener->holders->program, "nginx");
    listener->holder_count = 1;
    status->ports->listens = true;
    if (!sockdiag_loopback(&listener->socket))
        status->ports->outside = true;
    return listener;
}

static const struct finding *find(const struct firewall_status *status, const char *words)
{
    for (size_t i = 0; i < status->findings.count; i++)
        if (strstr(status->findings.items[i].sentence, words))
            return &status->findings.items[i];
    return NULL;
}

static void test_all_is_well(void **state)
{
    struct firewall_status status = picture(FIREWALL_ACCEPTED, FIREWALL_ACCEPTED);

    (void)state;
    add_listener(&status, AF_INET6, "::");
    status_judge(&status);
    assert_int_equal(status.findings.count, 0);
    status_finish(&status);
}

static void test_open_with_nobody_behind(void **state)
{
    struct firewall_status status = picture(FIREWALL_ACCEPTED, FIREWALL_ACCEPTED);

    (void)state;
    status_judge(&status);
    assert_int_equal(find(&status, "nobody listening")->grade, FINDING_WARNING);
    status_finish(&status);
    status = picture(FIREWALL_ACCEPTED, FIREWALL_ACCEPTED);
    status.filtered = false; /* then all ports are so */
    status_judge(&status);
    assert_int_equal(status.findings.count, 0);
    status_finish(&status);
}

static void test_a_listener_behind_a_closed_firewall(void **state)
{
    struct firewall_status status = picture(FIREWALL_DROPPED, FIREWALL_ACCEPTED);

    (void)state;
    add_listener(&status, AF_INET6, "::");
    firewall_path_hint(&status.ports->paths[STATUS_IPV4], "ufw allow 443/tcp");
    status_judge(&status);
    assert_string_equal(find(&status, "keeps strangers away over IPv4")->hint, "ufw allow 443/tcp");
    assert_non_null(find(&status, "open over IPv6 and closed over IPv4"));
    assert_int_equal(status.findings.count, 2);
    status_finish(&status);
}

static void test_closed_with_nobody_behind_is_well(void **state)
{
    struct firewall_status status = picture(FIREWALL_DROPPED, FIREWALL_REJECTED);

    (void)state;
    status_judge(&status);
    assert_int_equal(status.findings.count, 0);
    status_finish(&status);
}

static void test_loopback_alone_and_beside_others(void **state)
{
    struct firewall_status status = picture(FIREWALL_ACCEPTED, FIREWALL_ACCEPTED);

    (void)state;
    add_listener(&status, AF_INET, "127.0.0.1");
    status_judge(&status);
    assert_non_null(find(&status, "nobody outside this machine can reach nginx: it listens on "
                                  "127.0.0.1:443 only"));
    status_finish(&status);
    status = picture(FIREWALL_ACCEPTED, FIREWALL_ACCEPTED);
    add_listener(&status, AF_INET, "127.0.0.1");
    add_listener(&status, AF_INET6, "::");
    status_judge(&status);
    assert_int_equal(status.findings.count, 0);
    status_finish(&status);
}

static void test_one_family_is_served(void **state)
{
    struct firewall_status status = picture(FIREWALL_ACCEPTED, FIREWALL_ACCEPTED);

    (void)state;
    add_listener(&status, AF_INET, "0.0.0.0");
    status_judge(&status);
    assert_int_equal(find(&status, "listens to IPv4 and nobody to IPv6")->grade, FINDING_NOTE);
    findings_finish(&status.findings);
    status.has_family[STATUS_IPV6] = false; /* then nobody misses it */
    status_judge(&status);
    assert_int_equal(status.findings.count, 0);
    status_finish(&status);
}

static void test_queues_and_connections(void **state)
{
    struct firewall_status status = picture(FIREWALL_ACCEPTED, FIREWALL_ACCEPTED);
    struct listener *listener = add_listener(&status, AF_INET6, "::");

    (void)state;
    listener->socket.waiting = 129;
    listener->connects = -ETIMEDOUT;
    status_judge(&status);
    assert_int_equal(find(&status, "takes no connections on [::]:443: 129 wait")->grade,
                     FINDING_BAD);
    findings_finish(&status.findings);
    listener->socket.waiting = 0;
    status_judge(&status);
    assert_int_equal(find(&status, "is not answered")->grade, FINDING_WARNING);
    findings_finish(&status.findings);
    listener->connects = 0;
    status_judge(&status);
    assert_non_null(find(&status, "is refused"));
    findings_finish(&status.findings);
    listener->connects = -ECANCELED;
    status_judge(&status);
    assert_int_equal(status.findings.count, 0);
    status_finish(&status);
}

static void test_containers_are_told_together(void **state)
{
    struct firewall_status status = picture(FIREWALL_DROPPED, FIREWALL_DROPPED);

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct listener *listener = add_listener(&status, AF_INET, "0.0.0.0");
        listener->space = 4026532000u + (unsigned)i;
        listener->connects = 0;
        snprintf(listener->container, sizeof listener->container, "docker 0123456789ab");
    }
    status.ports->outside = false;
    status_judge(&status);
    assert_int_equal(status.findings.count, 1);
    const struct finding *finding = find(&status, "nginx and 2 more listens in the container");
    assert_non_null(strstr(finding->hint, "-p 443:443"));
    findings_finish(&status.findings);
    status.ports->paths[STATUS_IPV4].verdict = FIREWALL_FORWARDED;
    status.ports->paths[STATUS_IPV4].forwarded = mem_string(SPAN("172.17.0.2:443"));
    status_judge(&status);
    assert_non_null(find(&status, "sends strangers on to 172.17.0.2:443"));
    assert_null(find(&status, "leads nobody"));
    status_finish(&status);
}

static void test_processes_that_hide_their_network_are_no_hidden_networks(void **state)
{
    struct firewall_status status = picture(FIREWALL_ACCEPTED, FIREWALL_ACCEPTED);

    (void)state;
    status.listeners.spaces_veiled = 1;
    status_judge(&status);
    assert_null(find(&status, "network namespaces (containers) are hidden"));
    assert_non_null(find(&status, "whether processes are in other network namespaces"));
    assert_false(status_unknown(&status));
    status_finish(&status);
}

static void test_what_is_unknown_is_said_once(void **state)
{
    struct firewall_status status = picture(FIREWALL_UNKNOWN, FIREWALL_UNKNOWN);

    (void)state;
    status.listeners.hidden = 3;
    status.listeners.spaces_hidden = 2;
    status.listeners.udp_error = -ENOENT;
    struct listener *listener = add_listener(&status, AF_INET6, "::");
    free(listener->holders->command);
    free(take(listener->holders));
    listener->holder_count = 0;
    status_judge(&status);
    assert_int_equal(findings_worst(&status.findings), FINDING_UNKNOWN);
    assert_int_equal(status.findings.count, 4);
    assert_non_null(find(&status, "could not be told"));
    assert_non_null(find(&status, "programs of other users"));
    assert_non_null(find(&status, "other network namespaces"));
    assert_non_null(find(&status, "over UDP"));
    status_finish(&status);
}

static void test_text_and_json(void **state)
{
    struct firewall_status status = picture(FIREWALL_ACCEPTED, FIREWALL_DROPPED);
    struct listener *listener = add_listener(&status, AF_INET6, "::");
    char *text = NULL;
    size_t len = 0;

    (void)state;
    snprintf(listener->holders->program, sizeof listener->holders->program, "n\033[2Jx");
    status_judge(&status);
    struct printer printer = {.out = open_memstream(&text, &len)};
    assert_non_null(printer.out);
    status_print(&printer, &status);
    fclose(printer.out);
    assert_non_null(strstr(text, "443/tcp  open  closed  [::]:443"));
    assert_null(strchr(text, '\033'));
    free(text);
    json_t *json = status_json(&status);
    const json_t *port = json_array_get(json_object_get(json, "ports"), 0);
    assert_string_equal(json_string_value(json_object_get(json_object_get(port, "ipv6"), "state")),
                        "closed");
    assert_string_equal(json_string_value(json_object_get(json_object_get(port, "ipv4"), "state")),
                        "open");
    assert_int_equal(json_array_size(json_object_get(port, "listeners")), 1);
    json_decref(json);
    status_finish(&status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),
        cmocka_unit_test(test_open_with_nobody_behind),
        cmocka_unit_test(test_a_listener_behind_a_closed_firewall),
        cmocka_unit_test(test_closed_with_nobody_behind_is_well),
        cmocka_unit_test(test_loopback_alone_and_beside_others),
        cmocka_unit_test(test_one_family_is_served),
        cmocka_unit_test(test_queues_and_connections),
        cmocka_unit_test(test_containers_are_told_together),
        cmocka_unit_test(test_what_is_unknown_is_said_once),
        cmocka_unit_test(test_processes_that_hide_their_network_are_no_hidden_networks),
        cmocka_unit_test(test_text_and_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
