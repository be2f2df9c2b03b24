/* `gardien check`: reads what is asked, lets check/ look, and shows the findings. Looking again and
 * again is check_watch.c's. */
#include "check/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/app.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "cli/check_parts.h"
#include "cli/cli.h"
#include "cli/eye_key.h"
#include "os/state.h"
#include "report/face.h"

static const struct option check_options[] = {
    {"timeout", "SECONDS", false, "how long all looks may take (default: 10)"},
    {"resolve", "NAME:ADDRESS", true, "use this address for a name instead of asking DNS"},
    {"dns", "ADDRESS", false, "ask this DNS server instead of those in /etc/resolv.conf"},
    {"ipv4", NULL, false, "look at IPv4 addresses only", "-4"},
    {"ipv6", NULL, false, "look at IPv6 addresses only", "-6"},
    {"expect", "LIST", false, "what must hold, e.g. status=200,days>14,time<500ms"},
    {"watch", NULL, false, "look again and again; a line for each change, with a bell"},
    {"every", "SECONDS", false, "with --watch: the pause between looks (default: 10)"},
    {"nagios", NULL, false, "one line and exit codes as monitoring plugins have them"},
    {"from", "EYE[:PORT]", false,
     "what a machine elsewhere sees of this one, where `gardien eye` runs"},
    OPTION_EYE_KEY,
    OPTION_STATE,
    OPTION_JSON,
    OPTION_END,
};

/* ---- the command line ---- */

static int read_seconds(const struct arguments *arguments, const char *name, nsec_t usual,
                        nsec_t *ret)
{
    const char *text = arguments_get(arguments, name);
    uint64_t seconds;

    *ret = usual;
    if (!text)
        return 0;
    if (span_to_uint(span_str(text), &seconds) < 0 || seconds < 1 || seconds > 3600) {
        print_error("it is a number of seconds from 1 to 3600", "--%s does not take \"%s\"", name,
                    text);
        return ERR_SYNTAX;
    }
    *ret = (nsec_t)seconds * NSEC_PER_SEC;
    return 0;
}

static int read_pins(const struct arguments *arguments, struct diags *diags,
                     struct check_request *request)
{
    int r = 0;

    for (size_t i = 0; i < arguments->given_count; i++) {
        const struct option_given *given = &arguments->given[i];
        struct name_pin pin;
        if (strcmp(given->option->name, "resolve") != 0)
            continue;
        if (target_parse_pin(given->value, diags, &pin.name, &pin.address) < 0) {
            r = ERR_SYNTAX;
            continue;
        }
        request->pins = mem_resize(request->pins, request->pin_count + 1, sizeof *request->pins);
        request->pins[request->pin_count++] = pin;
    }
    return r;
}

static int read_family(const struct arguments *arguments, struct diags *diags, int *ret_family)
{
    bool four = arguments_get(arguments, "ipv4"), six = arguments_get(arguments, "ipv6");

    *ret_family = four ? AF_INET : six ? AF_INET6 : 0;
    if (!four || !six)
        return 0;
    diag_hint(diags_add(diags, "-4 and -6 exclude each other"), "leave both out to look at both");
    return ERR_SYNTAX;
}

static int read_resolver(const struct arguments *arguments, struct diags *diags,
                         struct resolver *resolver)
{
    const char *server = arguments_get(arguments, "dns");

    if (!server) {
        resolver_read(resolver, "/etc/resolv.conf");
        return 0;
    }
    *resolver = (struct resolver){.count = 1};
    if (address_from_ip(server, 53, &resolver->servers[0]) == 0)
        return 0;
    diag_hint(diags_add(diags, "--dns takes an IP address, not \"%s\"", server),
              "for example --dns 9.9.9.9");
    return ERR_SYNTAX;
}

/* gardien's own CA, to tell its certificates from those of strangers; none is fine. */
static char *read_local_ca(const struct arguments *arguments)
{
    scoped(mem_release) char *state = arguments_get(arguments, "state")
                                          ? absolute_path(arguments_get(arguments, "state"))
                                          : state_default();
    int fd = state ? open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    char *pem = NULL;

    if (fd < 0)
        return NULL;
    if (cert_local_ca_read(fd, &pem) < 0)
        pem = NULL;
    close(fd);
    return pem;
}

/* "" and ":PORT" stand for this machine. @return its port, or 0 when a host is named */
static uint16_t port_here(const char *word)
{
    uint64_t port = TARGET_PORT;

    if (*word && (*word != ':' || span_to_uint(span_str(word + 1), &port) < 0 || port > UINT16_MAX))
        return 0;
    return (uint16_t)port;
}

/* What only makes sense for a host that is named. */
static int check_alone(const struct arguments *arguments, struct diags *diags)
{
    static const char *const others[] = {"watch", "nagios", "expect", "resolve", "dns"};

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (!arguments_get(arguments, others[i]))
            continue;
        diag_hint(diags_add(diags, "--%s needs a host", others[i]),
                  "gardien check example.com --%s", others[i]);
        return ERR_SYNTAX;
    }
    return 0;
}

/* What only makes sense for a look of our own. */
static int check_ours(const struct arguments *arguments, struct diags *diags)
{
    static const char *const others[] = {"watch", "nagios", "expect", "resolve", "dns"};

    for (size_t i = 0; arguments_get(arguments, "from") && i < ARRAY_SIZE(others); i++) {
        if (!arguments_get(arguments, others[i]))
            continue;
        diag_hint(
            diags_add(diags, "--%s and --from exclude each other", others[i]),
            "an eye looks once, and at the address that it is asked from; --json has all that "
            "it says");
        return ERR_SYNTAX;
    }
    return 0;
}

static int read_request(const struct arguments *arguments, struct diags *diags,
                        struct check_request *request)
{
    const char *expected = arguments_get(arguments, "expect");
    const char *word = arguments->word_count ? arguments->words[0] : "";
    int r;

    request->port_here = port_here(word);
    r = request->port_here ? check_alone(arguments, diags)
                           : target_parse(word, diags, &request->target);
    if (check_ours(arguments, diags) < 0)
        r = ERR_SYNTAX;
    if (read_pins(arguments, diags, request) < 0 ||
        read_family(arguments, diags, &request->options.names.family) < 0 ||
        read_resolver(arguments, diags, &request->resolver) < 0)
        r = ERR_SYNTAX;
    if (expected && expectations_parse(expected, diags, &request->expectations) < 0)
        r = ERR_SYNTAX;
    request->local_ca = read_local_ca(arguments);
    request->options.target = &request->target;
    request->options.names.resolver = &request->resolver;
    request->options.names.pins = request->pins;
    request->options.names.pin_count = request->pin_count;
    request->options.names.only_dns = arguments_get(arguments, "dns") != NULL;
    request->options.local_ca = span_str(request->local_ca);
    /* Not anew every few seconds: lists may be large, and say for days what they say. */
    request->options.ask_authority = !arguments_get(arguments, "watch");
    return r;
}

static void request_finish(struct check_request *request)
{
    target_finish(&request->target);
    for (size_t i = 0; i < request->pin_count; i++)
        free(request->pins[i].name);
    free(request->pins);
    free(request->local_ca);
    expectations_finish(&request->expectations);
}

/* ---- one look ---- */

int check_look(struct check_request *request, struct check_result *ret_result, bool *ret_well)
{
    request->options.wall = nsec_realtime();
    int r = check_host(&request->options, ret_result);
    if (r < 0) {
        print_error(NULL, "this machine lacks what a check needs: %s", error_text(r));
        return r;
    }
    *ret_well = check_is_well(ret_result);
    if (request->expectations.count) /* then what is expected decides, and nothing else */
        *ret_well = expectations_judge(&request->expectations, &ret_result->metrics,
                                       &ret_result->findings) == 0;
    return 0;
}

void check_print(const struct face *face, const struct check_result *result, bool well)
{
    enum face_style style = !result->open ? FACE_RED : well ? FACE_GREEN : FACE_YELLOW;

    findings_print(face, &result->findings);
    fputc('\n', face->out);
    check_print_verdict(face, style, result->verdict, result->mend);
}

void check_print_verdict(const struct face *face, enum face_style style, const char *verdict,
                         const char *mend)
{
    face_style(face, style);
    face_wrap(face, 0, 0, verdict);
    face_style(face, FACE_PLAIN);
    if (!mend)
        return;
    face_styled(face, FACE_GREEN, "->");
    fputc(' ', face->out);
    face_wrap(face, 3, 3, mend);
}

static int print_nagios(const struct check_result *result, bool well, bool expected)
{
    const struct check_metrics *metrics = &result->metrics;
    enum finding_grade worst = findings_worst(&result->findings);
    int code = !well ? 2 : !expected && worst == FINDING_WARNING ? 1 : 0;
    const struct finding *failed = NULL;

    for (size_t i = 0; expected && !well && !failed && i < result->findings.count; i++)
        if (strcmp(result->findings.items[i].topic, "expect") == 0 &&
            result->findings.items[i].grade == FINDING_BAD)
            failed = &result->findings.items[i];
    printf("HTTPS %s - %s |",
           code == 0   ? "OK"
           : code == 1 ? "WARNING"
                       : "CRITICAL",
           failed ? failed->sentence : result->verdict);
    if (metrics->time >= 0)
        printf(" time=%.6fs", (double)metrics->time / 1e9);
    if (metrics->rtt >= 0)
        printf(" rtt=%.6fs", (double)metrics->rtt / 1e9);
    if (metrics->days != INT64_MIN)
        printf(" days=%lld", (long long)metrics->days);
    if (metrics->addresses >= 0)
        printf(" addresses=%lld failing=%lld", (long long)metrics->addresses,
               (long long)metrics->failing);
    putchar('\n');
    return code;
}

static int look_once(struct check_request *request, const struct arguments *arguments)
{
    struct check_result result;
    struct face face = face_of(stdout);
    bool well, nagios = arguments_get(arguments, "nagios");
    bool watched = face.terminal && !nagios && !arguments_get(arguments, "json");
    int code;

    if (watched) { /* a look at a site that is closed takes its whole time */
        printf("looking at %s ...", request->target.host);
        fflush(stdout);
    }
    int r = check_look(request, &result, &well);
    if (watched)
        printf("\r%*s\r", (int)strlen(request->target.host) + 15, "");
    if (r < 0) {
        if (nagios)
            puts("HTTPS UNKNOWN - the check could not run |");
        return nagios ? 3 : APP_FAILED;
    }
    code = well ? APP_OK : APP_FAILED;
    if (nagios)
        code = print_nagios(&result, well, request->expectations.count > 0);
    else if (arguments_get(arguments, "json"))
        print_json(check_json(&request->options, &result));
    else
        check_print(&face, &result, well);
    check_result_finish(&result);
    return code;
}

static int check_run(const struct arguments *arguments)
{
    struct check_request request = {.pins = NULL};
    struct diags diags = {0};
    int code = arguments_get(arguments, "nagios") ? 3 : APP_USAGE;
    nsec_t pause;

    if (read_seconds(arguments, "timeout", CHECK_TIMEOUT, &request.options.timeout) < 0 ||
        read_seconds(arguments, "every", 10 * NSEC_PER_SEC, &pause) < 0)
        return code;
    bool json = arguments_get(arguments, "json");
    int r = read_request(arguments, &diags, &request);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    if (r >= 0 && arguments_get(arguments, "from"))
        code = check_from(&request, arguments);
    else if (r >= 0 && request.port_here)
        code = check_this_machine(&request, request.port_here, json);
    else if (r >= 0 && arguments_get(arguments, "watch"))
        code = check_watch(&request, pause, json);
    else if (r >= 0)
        code = look_once(&request, arguments);
    request_finish(&request);
    return code;
}

const struct verb check_verb = {
    "check",
    check_run,
    "look from outside whether a site is open, and if not, why not",
    "[HOST[:PORT]] [OPTION...]",
    "Looks at one site as a visitor does: its name in DNS and in this machine's own resolver, "
    "TCP\n"
    "on every address with who refuses, TLS, the certificate, HTTP/1.1, HTTP/2, HTTP/3, "
    "redirects,\n"
    "HSTS and port 80. The last line says what is wrong first, and how to mend it. HOST may be "
    "an\n"
    "IP address or a whole URL. Without one (or with :PORT alone) it looks at this machine: who\n"
    "listens, whether the firewall lets strangers in, and what a visitor gets on each address.\n"
    "With --expect only what is expected decides the exit code. It knows status, days (of the\n"
    "certificate), time (to the first byte), rtt, addresses, failing, tls, http, h3, hsts, ipv6,\n"
    "resumed, trusted and redirect80, with = != < <= > >=.",
    "gardien check example.com\n"
    "gardien check example.com:8443 --resolve example.com:192.0.2.7\n"
    "gardien check https://example.com/login --expect \"status=200,days>14,time<500ms\"\n"
    "gardien check example.com --watch --every 30\n"
    "gardien check example.com --nagios\n"
    "sudo gardien check\n"
    "gardien check --from eye.example.net\n",
    check_options,
    1,
    "0 all is well (warnings count for nothing), or what is expected holds; 1 something is "
    "wrong;\n"
    "2 the command line is wrong. With --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
    "example.com"};
