/* `gardien scan`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/scan_parts.h"
#include "os/interrupt.h"
#include "report/printer.h"
#include "scan/scan.h"

enum { MANY_ADDRESSES = 65536 /* a /16; more need --yes */ };

/* Set by SIGINT and SIGTERM: what is known so far is printed. */
static volatile sig_atomic_t stop_asked;

struct output {
    struct printer printer; /* results */
    struct printer watch;   /* progress, on standard error */
    bool text;
    json_t *hosts; /* NULL without --json */
    struct scan_xml xml;
    const struct scan_request *request;
    const struct scan_summary *summary;
    bool progress_shown;
    nsec_t begun;
};

/* ---- while it runs ---- */

static void clear_progress(struct output *output)
{
    if (output->progress_shown)
        fputs("\r\033[K", stderr);
    output->progress_shown = false;
}

static void on_progress(void *context, double done)
{
    enum { CELLS = 24 };
    struct output *output = context;
    double took = (double)(nsec_monotonic() - output->begun) / 1e9;
    char bar[CELLS + 1];

    if (!output->watch.terminal || took < 0.3)
        return;
    for (int i = 0; i < CELLS; i++)
        bar[i] = i < done * CELLS ? '#' : '.';
    bar[CELLS] = '\0';
    fprintf(stderr, "\r\033[K[%s] %3.0f %%", bar, done * 100);
    if (done > 0.02)
        fprintf(stderr, ", %.0f s left", took / done - took + 0.5);
    fflush(stderr);
    output->progress_shown = true;
}

static void on_host(void *context, const struct scan_host *host)
{
    struct output *output = context;
    bool worth_it = host->answered || output->request->targets->count <= 4;

    clear_progress(output);
    if (output->hosts && worth_it)
        json_array_append_new(output->hosts, scan_host_json(host));
    if (output->text && worth_it)
        scan_print_host(&output->printer, host);
    if (output->xml.out)
        scan_xml_host(&output->xml, host);
}

/* ---- the command line ---- */

static int read_rate(const struct arguments *arguments, double *ret_rate)
{
    const char *text = arguments_get(arguments, "rate");
    uint64_t number;

    *ret_rate = 0;
    if (!text)
        return 0;
    if (span_to_uint(span_str(text), &number) < 0 || number < 1 || number > 10000000) {
        print_error("--rate 1000 sends at most 1,000 packets a second", "\"%s\" is no rate", text);
        return ERR_SYNTAX;
    }
    *ret_rate = (double)number;
    return 0;
}

static int read_targets(const struct arguments *arguments, struct scan_targets *targets)
{
    bool four = arguments_get(arguments, "ipv4"), six = arguments_get(arguments, "ipv6");
    unsigned families = four && !six   ? SCAN_FAMILY_4
                        : six && !four ? SCAN_FAMILY_6
                                       : SCAN_FAMILY_ANY;
    struct diags diags = {0};
    int r = 0;

    if (arguments->word_count == 0)
        diag_hint(diags_add(&diags, "`gardien scan` needs a host"),
                  "gardien scan example.com, or a network: gardien scan 192.0.2.0/24");
    for (size_t i = 0; i < arguments->word_count; i++)
        r = scan_targets_add(targets, arguments->words[i], families, &diags);
    if (diags.errors)
        r = ERR_SYNTAX;
    if (r >= 0 && targets->count > MANY_ADDRESSES && !arguments_get(arguments, "yes")) {
        diag_hint(diags_add(&diags, "these are %llu addresses, more than a /16 has",
                            (unsigned long long)targets->count),
                  "add --yes if they are yours to scan");
        r = ERR_SYNTAX;
    }
    print_diags(stderr, &diags);
    diags_finish(&diags);
    return r;
}

static int read_ports(const struct arguments *arguments, struct scan_ports *ports)
{
    const char *text = arguments_get(arguments, "ports");
    struct diags diags = {0};
    int r = 0;

    if (text)
        r = scan_ports_parse(text, &diags, ports);
    else
        scan_ports_default(ports);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    return r;
}

static int open_xml(const struct arguments *arguments, struct scan_xml *xml)
{
    const char *path = arguments_get(arguments, "xml");

    xml->started = nsec_realtime();
    if (!path)
        return 0;
    xml->out = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (xml->out)
        return 0;
    print_error("-oX names a file that may be written", "%s cannot be written: %s", path,
                error_text(-errno));
    return -errno;
}

static char *command_line(void)
{
    char *const *argv = cli_argv();
    char *text = mem_string(SPAN("gardien"));

    for (size_t i = 1; argv[i]; i++) {
        char *longer = mem_format("%s %s", text, argv[i]);
        free(text);
        text = longer;
    }
    return text;
}

static bool is_own(const struct scan_targets *targets)
{
    for (size_t i = 0; i < targets->block_count; i++) {
        const struct scan_address *first = &targets->blocks[i].first;
        static const unsigned char loopback6[16] = {[15] = 1};
        bool own = first->family == 4 ? first->bytes[0] == 127
                                      : memcmp(first->bytes, loopback6, sizeof loopback6) == 0;
        if (!own)
            return false;
    }
    return true;
}

/* ---- running ---- */

static int close_xml(struct output *output)
{
    int r = 0;

    if (!output->xml.out)
        return 0;
    scan_xml_end(&output->xml, output->summary);
    r = ferror(output->xml.out) ? -EIO : 0;
    if (output->xml.out == stdout ? fflush(stdout) != 0 : fclose(output->xml.out) != 0)
        r = -errno;
    if (r < 0)
        print_error("is the disk full?", "the XML could not be written: %s", error_text(r));
    return r;
}

static int run(const struct scan_request *request, struct output *output)
{
    const struct scan_listener listener = {on_host, on_progress, output};
    struct scan_summary summary;

    output->request = request;
    output->summary = &summary;
    output->begun = nsec_monotonic();
    if (output->xml.out)
        scan_xml_begin(&output->xml, request);
    int r = scan_run(request, &listener, &summary);
    clear_progress(output);
    if (r < 0)
        print_error(scan_sends_syns ? "--connect does without raw sockets" : NULL,
                    "the scan failed: %s", error_text(r));
    else if (output->text)
        scan_print_summary(&output->printer, &summary);
    if (output->hosts)
        print_json(json_pack("{s:O, s:o}", "hosts", output->hosts, "summary",
                             scan_summary_json(&summary)));
    if (close_xml(output) < 0 || r < 0)
        return APP_FAILED;
    return summary.stopped ? APP_FAILED : APP_OK;
}

static int scan_it(const struct arguments *arguments, struct scan_request *request)
{
    struct output output = {.printer = printer_of(stdout), .watch = printer_of(stderr)};

    if (open_xml(arguments, &output.xml) < 0)
        return APP_FAILED;
    output.text = !arguments_get(arguments, "json") && output.xml.out != stdout;
    output.hosts = arguments_get(arguments, "json") ? json_array() : NULL;
    scoped(mem_release) char *line = command_line();
    output.xml.command_line = line;
    if (output.text && !is_own(request->targets))
        printer_wrap(&output.watch, 0, 0,
                     "Scan only what is yours, or what its owner lets you scan.");
    interrupt_watch(&stop_asked);
    int code = run(request, &output);
    json_decref(output.hosts);
    return code;
}

int scan_verb_run(const struct arguments *arguments)
{
    struct scan_targets targets = {NULL};
    struct scan_ports ports = {NULL};
    struct scan_request request = {.targets = &targets, .ports = &ports, .stop = &stop_asked};
    int code = APP_USAGE;

    request.connect = arguments_get(arguments, "connect") != NULL;
    request.services = !arguments_get(arguments, "no-services");
    if (read_rate(arguments, &request.rate) >= 0 && read_ports(arguments, &ports) >= 0 &&
        read_targets(arguments, &targets) >= 0)
        code = scan_it(arguments, &request);
    scan_targets_finish(&targets);
    scan_ports_finish(&ports);
    return code;
}
