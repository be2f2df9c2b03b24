/* `gardien check`: reads what is asked, lets check/ run, and shows the findings. Looking again and
 * again is check_watch.c's; what differs by system is in check_linux.c and check_portable.c. */
#include "check/check.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cli/check_nagios.h"
#include "cli/check_parts.h"
#include "cli/cli.h"
#include "os/net.h"
#include "report/printer.h"

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
        resolver->count = nameservers_read(resolver->servers);
        return 0;
    }
    *resolver = (struct resolver){.count = 1};
    if (address_from_ip(server, 53, &resolver->servers[0]) == 0)
        return 0;
    diag_hint(diags_add(diags, "--dns takes an IP address, not \"%s\"", server),
              "for example --dns 9.9.9.9");
    return ERR_SYNTAX;
}

static int read_request(const struct arguments *arguments, struct diags *diags,
                        struct check_request *request)
{
    const char *expected = arguments_get(arguments, "expect");
    int r = check_read_target(arguments, diags, request);

    if (read_pins(arguments, diags, request) < 0 ||
        read_family(arguments, diags, &request->options.names.family) < 0 ||
        read_resolver(arguments, diags, &request->resolver) < 0)
        r = ERR_SYNTAX;
    if (expected && expectations_parse(expected, diags, &request->expectations) < 0)
        r = ERR_SYNTAX;
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

/* ---- one check ---- */

int check_run_once(struct check_request *request, struct check_result *ret_result, bool *ret_well)
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

void check_print(const struct printer *printer, const struct check_result *result, bool well)
{
    enum printer_style style = !result->open ? STYLE_RED : well ? STYLE_GREEN : STYLE_YELLOW;

    findings_print(printer, &result->findings);
    fputc('\n', printer->out);
    check_print_verdict(printer, style, result->verdict, result->hint);
}

void check_print_verdict(const struct printer *printer, enum printer_style style,
                         const char *verdict, const char *hint)
{
    printer_style(printer, style);
    printer_wrap(printer, 0, 0, verdict);
    printer_style(printer, STYLE_PLAIN);
    if (!hint)
        return;
    printer_styled(printer, STYLE_GREEN, "->");
    fputc(' ', printer->out);
    printer_hint(printer, 3, hint);
}

static int print_nagios(const struct check_result *result, bool well, bool expected)
{
    const struct finding *failed = expected ? nagios_unmet(&result->findings) : NULL;
    enum nagios code = nagios_judge(well, expected, findings_worst(&result->findings));

    nagios_print(code, failed ? failed->sentence : result->verdict, &result->metrics, "");
    return code;
}

static int check_once(struct check_request *request, const struct arguments *arguments)
{
    struct check_result result;
    struct printer printer = printer_of(stdout);
    bool well, nagios = arguments_get(arguments, "nagios");
    bool watched = printer.terminal && !nagios && !arguments_get(arguments, "json");
    int code;

    if (watched) { /* a check of a site that is closed takes its whole time */
        printf("looking at %s ...", request->target.host);
        fflush(stdout);
    }
    int r = check_run_once(request, &result, &well);
    if (watched)
        printf("\r%*s\r", (int)strlen(request->target.host) + 15, "");
    if (r < 0) {
        if (nagios)
            nagios_print(NAGIOS_UNKNOWN, "the check could not run", NULL, "");
        return nagios ? NAGIOS_UNKNOWN : APP_FAILED;
    }
    code = well ? APP_OK : APP_FAILED;
    if (nagios)
        code = print_nagios(&result, well, request->expectations.count > 0);
    else if (arguments_get(arguments, "json"))
        print_json(check_json(&request->options, &result));
    else
        check_print(&printer, &result, well);
    check_result_finish(&result);
    return code;
}

int check_verb_run(const struct arguments *arguments)
{
    struct check_request request = {.pins = NULL};
    struct diags diags = {0};
    int code = arguments_get(arguments, "nagios") ? NAGIOS_UNKNOWN : APP_USAGE;

    if (read_seconds(arguments, "timeout", CHECK_TIMEOUT, &request.options.timeout) < 0 ||
        read_seconds(arguments, "every", 10 * NSEC_PER_SEC, &request.pause) < 0)
        return code;
    int r = read_request(arguments, &diags, &request);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    if (r >= 0 && check_is_other(&request, arguments))
        code = check_run_other(&request, arguments);
    else if (r >= 0 && arguments_get(arguments, "watch"))
        code = check_watch(&request, arguments_get(arguments, "json"));
    else if (r >= 0)
        code = check_once(&request, arguments);
    request_finish(&request);
    return code;
}
