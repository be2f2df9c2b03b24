/* `gardien status`: the picture of ports, and the processes of a running gardien. */
#include <errno.h>
#include <stdlib.h>

#include "app/app.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/kernel_limits.h"
#include "firewall/firewall.h"
#include "os/state.h"
#include "report/printer.h"

enum { STATUS_WARNED = 4, STATUS_UNKNOWN = 5 };

static const struct option status_options[] = {
    {"no-connect", NULL, false, "do not connect to who listens to see whether it takes connections",
     NULL},
    {"here", NULL, false, "leave out containers and other network namespaces", NULL},
    OPTION_STATE,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_END,
};

/* ---- a running gardien ---- */

static int number(const json_t *object, const char *key)
{
    return (int)json_integer_value(json_object_get(object, key));
}

/* Orders of certificates that failed, each with when it is tried again. */
static void print_certificates(const json_t *certificates)
{
    const json_t *failed = json_object_get(certificates, "failed");
    int count = number(certificates, "acme_failures"), told = (int)json_array_size(failed);

    if (!number(certificates, "acme"))
        return;
    printf("certificates: %d of %d sites by ACME, %d without one yet\n",
           number(certificates, "acme"), number(certificates, "sites"),
           number(certificates, "acme_missing"));
    for (int i = 0; i < told; i++) {
        const json_t *site = json_array_get(failed, (size_t)i);
        const char *error = json_string_value(json_object_get(site, "last_error"));
        const char *retry = json_string_value(json_object_get(site, "retry_at"));
        print_escaped(stdout, "  %s: the last order failed: %s\n",
                      json_string_value(json_object_get(site, "name")), error ? error : "");
        print_escaped(stdout, "  -> tried again at %s; see: gardien cert list\n",
                      retry ? retry : "once");
    }
    if (count > told)
        printf("  and %d more\n", count - told);
}

static void print_gardien(const json_t *answer)
{
    const json_t *workers = json_object_get(answer, "workers");

    printf("\ngardien %s\n", json_string_value(json_object_get(answer, "version")));
    printf("guardian  pid %d, settings number %d\n", number(answer, "pid"),
           number(answer, "generation"));
    printf("keys      pid %d\nlogs      pid %d\n", number(answer, "keys"), number(answer, "logs"));
    for (size_t i = 0; i < json_array_size(workers); i++) {
        const json_t *worker = json_array_get(workers, i);
        printf("worker %-2d pid %d, %s, %d connections, %lld requests\n", number(worker, "number"),
               number(worker, "pid"), json_string_value(json_object_get(worker, "state")),
               number(worker, "connections"),
               json_integer_value(json_object_get(worker, "requests")));
    }
    print_certificates(json_object_get(answer, "certificates"));
}

/* The gardien of the default state folder, if one runs there and answers us. */
static json_t *ask_default(void)
{
    scoped(mem_release) char *state = state_default();
    json_t *request = json_pack("{s:s}", "do", "status"), *answer = NULL;
    int r = state ? control_ask(state, request, 10 * NSEC_PER_SEC, &answer) : -ENOENT;

    json_decref(request);
    if (r < 0 && r != -ENOENT && r != -ECONNREFUSED)
        print_error("ask as root, or as whoever started it", "the gardien of %s does not tell: %s",
                    state, error_text(r));
    return r < 0 ? NULL : answer;
}

/* A gardien that was named must be there; another one need not.
 * @return an enum app_exit */
static int ask_gardien(const struct arguments *arguments, json_t **ret_answer)
{
    if (arguments_get(arguments, "state") || arguments_get(arguments, "config"))
        return ask(arguments, json_pack("{s:s}", "do", "status"), 10 * NSEC_PER_SEC, ret_answer);
    *ret_answer = ask_default();
    return APP_OK;
}

/* ---- which ports ---- */

static void add_listening(const json_t *answer, struct ports *ports)
{
    const json_t *list = json_object_get(answer, "listen");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        json_int_t port = json_integer_value(json_object_get(one, "port"));
        bool datagrams = json_is_true(json_object_get(one, "http3"));
        if (port > 0 && port <= UINT16_MAX &&
            ports_add(ports, (struct port){(uint16_t)port, datagrams ? PORT_UDP : PORT_TCP}) < 0)
            return;
    }
}

/* @return 0, or ERR_SYNTAX or ERR_LIMIT with what is wrong printed */
static int choose_ports(const struct arguments *arguments, const json_t *answer,
                        struct status_request *request)
{
    static const struct port maybe[] = {{8443, PORT_TCP}, {2096, PORT_TCP}};
    struct diags diags = {0};
    int r = 0;

    if (arguments->word_count) {
        r = ports_parse(arguments->words, arguments->word_count, &diags, &request->ports);
        print_diags(stderr, &diags);
        diags_finish(&diags);
        return r;
    }
    request->ports = ports_default();
    add_listening(answer, &request->ports);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(maybe); i++)
        r = ports_add(&request->maybe, maybe[i]);
    return r;
}

/* ---- the verb ---- */

static void show(const struct arguments *arguments, const struct firewall_status *status,
                 json_t *answer)
{
    struct printer printer = printer_of(stdout);
    struct findings kernel = {0};
    struct kernel_limits limits;

    if (answer) { /* they matter to who serves */
        kernel_limits_read("", &limits);
        kernel_limits_judge(&limits, &kernel);
    }
    if (arguments_get(arguments, "json")) {
        json_t *object = status_json(status);
        if (answer) {
            json_object_set(object, "gardien", answer);
            json_object_set_new(object, "kernel", findings_json(&kernel));
        }
        print_json(object);
    } else {
        status_print(&printer, status);
        if (answer)
            print_gardien(answer);
        if (kernel.count) {
            putchar('\n');
            findings_print(&printer, &kernel);
        }
    }
    findings_finish(&kernel);
}

static int status_run(const struct arguments *arguments)
{
    struct status_request request = {.named = arguments->word_count > 0,
                                     .connect = !arguments_get(arguments, "no-connect"),
                                     .here = arguments_get(arguments, "here") != NULL,
                                     .root = ""};
    struct firewall_status status;
    json_t *answer = NULL;
    int code = ask_gardien(arguments, &answer);

    if (code != APP_USAGE && choose_ports(arguments, answer, &request) < 0)
        code = APP_USAGE;
    if (code != APP_USAGE) { /* the ports are there to see, whoever runs */
        status_take(&request, &status);
        show(arguments, &status, answer);
        if (code == APP_OK && request.named)
            code = findings_worst(&status.findings) >= FINDING_WARNING ? STATUS_WARNED
                   : status_unknown(&status)                           ? STATUS_UNKNOWN
                                                                       : APP_OK;
        status_finish(&status);
    }
    json_decref(answer);
    return code;
}

const struct verb status_verb = {
    "status",
    status_run,
    "show who listens, and what the firewall lets in",
    "[PORT[/PROTOCOL]...] [OPTION...]",
    "For each port: whether a stranger's packet would come in over IPv4 and over IPv6, who "
    "listens\n"
    "(program, user, container), whether it takes connections, and what is odd about that. "
    "Without\n"
    "ports: 80/tcp, 443/tcp, 443/udp, those of a running gardien, and 8443 and 2096 where "
    "somebody\n"
    "listens or rules name them. Others' programs and the rules are shown to root only.",
    "sudo gardien status\nsudo gardien status 443 443/udp 8443\ngardien status --json\n",
    status_options,
    PORTS_MAX,
    "0 it was looked at; 2 the command line is wrong; 3 no gardien runs with the state folder\n"
    "that was named; 4 a port that was named has a warning; 5 of a port that was named what the\n"
    "firewall lets in could not be told",
    "443 443/tcp 443/udp 80 8443"};
