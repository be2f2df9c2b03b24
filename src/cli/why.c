/* `gardien why`. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "app/app.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/why_out.h"
#include "firewall/firewall.h"
#include "os/state.h"
#include "report/printer.h"

static const struct option why_options[] = {
    {"from", "ADDR", false, "as if it came from this address (default: from the Internet)"},
    {"to", "ADDR", false, "to this address of this host (default: that of the interface)"},
    {"interface", "NAME", false, "as if it came in here, or left here (default: by the route)"},
    {"out", "HOST:PORT", false, "what this host sends to PORT[/udp] of HOST, and the answer to it"},
    {"user", "NAME", false, "with --out: sent by a program of this account"},
    {"ruleset", "FILE", false,
     "follow the rules saved in FILE (nft -j list ruleset; - is the standard input)"},
    {"ipv4", NULL, false, "IPv4 only", "-4"},
    {"ipv6", NULL, false, "IPv6 only", "-6"},
    OPTION_STATE,
    OPTION_JSON,
    OPTION_END,
};

enum { FAMILIES = 2 };

static int read_address(const struct arguments *arguments, const char *option, struct diags *diags,
                        unsigned char bytes[16], int *ret_family)
{
    const char *text = arguments_get(arguments, option);
    struct network network;

    if (!text)
        return 0;
    int r = network_parse(text, diags, &network);
    if (r == 0 && network.prefix != (network.family == 4 ? 32 : 128)) {
        diag_hint(
            diags_add(diags, "--%s %s is a network, and a packet has one address", option, text),
            "name one of its addresses");
        r = ERR_SYNTAX;
    }
    if (r < 0)
        return r;
    memcpy(bytes, network.bytes, sizeof network.bytes);
    *ret_family = network.family == 4 ? AF_INET : AF_INET6;
    return 0;
}

/* What all questions have in common: all but the port. */
static int read_question(const struct arguments *arguments, struct diags *diags,
                         struct firewall_question *ret_question)
{
    struct firewall_question question = {.interface = arguments_get(arguments, "interface")};
    int r = read_address(arguments, "from", diags, question.from, &question.from_family);

    if (r == 0)
        r = read_address(arguments, "to", diags, question.to, &question.to_family);
    if (r < 0)
        return r;
    if (question.from_family && question.to_family && question.from_family != question.to_family) {
        diag_hint(diags_add(diags, "--from and --to are addresses of IPv4 and of IPv6"),
                  "give two of the same");
        return ERR_SYNTAX;
    }
    *ret_question = question;
    return 0;
}

/* Which families are meant: those of the options, or of the addresses, or both.
 * @return how many, or ERR_SYNTAX */
static int choose_families(const struct arguments *arguments,
                           const struct firewall_question *question, struct diags *diags,
                           int ret_families[FAMILIES])
{
    bool four = arguments_get(arguments, "ipv4"), six = arguments_get(arguments, "ipv6");
    int named = question->from_family ? question->from_family : question->to_family;
    int count = 0;

    if (named && four != six && four != (named == AF_INET)) {
        diag_hint(diags_add(diags, "the address is one of %s", named == AF_INET6 ? "IPv6" : "IPv4"),
                  "leave -4 and -6 out");
        return ERR_SYNTAX;
    }
    if (named ? named == AF_INET : four || !six)
        ret_families[count++] = AF_INET;
    if (named ? named == AF_INET6 : six || !four)
        ret_families[count++] = AF_INET6;
    return count;
}

/* All that was asked: each port over each family, the families of a port side by side. */
struct inquiry {
    struct firewall_question questions[PORTS_MAX];
    struct firewall_answer answers[PORTS_MAX * FAMILIES];
    size_t ports, families;
};

/* @return 0, or ERR_SYNTAX or ERR_LIMIT */
static int read_inquiry(const struct arguments *arguments, struct diags *diags,
                        struct inquiry *inquiry)
{
    struct ports ports = {.items = {{.number = 443}}, .count = 1};
    struct firewall_question question;
    int families[FAMILIES];
    int r = 0;

    if (arguments->word_count)
        r = ports_parse(arguments->words, arguments->word_count, diags, &ports);
    if (r == 0)
        r = read_question(arguments, diags, &question);
    if (r == 0)
        r = choose_families(arguments, &question, diags, families);
    if (r < 0)
        return r;
    inquiry->ports = ports.count;
    inquiry->families = (size_t)r;
    for (size_t p = 0; p < ports.count; p++) {
        question.port = ports.items[p].number;
        question.protocol = ports.items[p].protocol == PORT_UDP ? IPPROTO_UDP : IPPROTO_TCP;
        inquiry->questions[p] = question;
        for (int f = 0; f < r; f++)
            inquiry->answers[p * inquiry->families + (size_t)f] =
                (struct firewall_answer){.question = &inquiry->questions[p], .family = families[f]};
    }
    return 0;
}

int why_port_code(const struct firewall_answer *answers, size_t count)
{
    bool closed = false, unknown = false, open = false;

    for (size_t i = 0; i < count; i++) {
        const struct firewall_path *path = &answers[i].path;
        if (answers[i].result == ERR_NOT_FOUND && count > 1)
            continue;
        if (firewall_path_open(path))
            open = true;
        else if (path->verdict == FIREWALL_UNKNOWN && path->obstacle == FIREWALL_NO_OBSTACLE)
            unknown = true;
        else
            closed = true;
    }
    return closed ? APP_FAILED : unknown || !open ? WHY_UNKNOWN : APP_OK;
}

/* Of several ports the worst: one that is closed, else one that could not be told. */
static int exit_code(const struct inquiry *inquiry)
{
    int code = APP_OK;

    for (size_t p = 0; p < inquiry->ports && code != APP_FAILED; p++) {
        int own = why_port_code(&inquiry->answers[p * inquiry->families], inquiry->families);
        code = own == APP_OK ? code : own;
    }
    return code;
}

/* Whether a rule of this host keeps it closed that `gardien open` can fix. */
static bool may_open(const struct firewall_answer *answers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct firewall_path *path = &answers[i].path;
        if (path->culprit != FIREWALL_NO_CULPRIT &&
            (path->verdict == FIREWALL_DROPPED || path->verdict == FIREWALL_REJECTED))
            return true;
    }
    return false;
}

/* The command on a line of its own, to be copied. */
static void print_open(const struct printer *printer, const struct inquiry *inquiry)
{
    bool any = false;

    for (size_t p = 0; p < inquiry->ports; p++) {
        const struct firewall_question *question = &inquiry->questions[p];
        if (!may_open(&inquiry->answers[p * inquiry->families], inquiry->families))
            continue;
        if (!any) {
            putchar('\n');
            printer_wrap(
                printer, 0, 0,
                "the same by whoever is in charge of the firewall, and kept over restarts:");
            printer_styled(printer, STYLE_GREEN, "->");
            fputs(" gardien open", stdout);
        }
        printf(" %u/%s", (unsigned)question->port,
               question->protocol == IPPROTO_UDP ? "udp" : "tcp");
        any = true;
    }
    if (any)
        putchar('\n');
}

static void print_text(const struct inquiry *inquiry, bool live)
{
    struct printer printer = printer_of(stdout);

    for (size_t i = 0; i < inquiry->ports * inquiry->families; i++) {
        if (i > 0)
            putchar('\n');
        firewall_path_print(&printer, &inquiry->answers[i].path);
    }
    if (live)
        print_open(&printer, inquiry);
}

json_t *why_json(const struct firewall_answer *answers, size_t count, int code)
{
    json_t *paths = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(paths, firewall_path_json(&answers[i].path));
    return json_pack("{s:o, s:o}", "open",
                     code == WHY_UNKNOWN ? json_null() : json_boolean(code == APP_OK), "paths",
                     paths);
}

static void print_answers(const struct inquiry *inquiry, int code, json_t *ban)
{
    json_t *object = why_json(inquiry->answers, inquiry->ports * inquiry->families, code);

    if (ban)
        json_object_set(object, "ban", ban);
    print_json(object);
}

/* The ban of the address that was asked about, if a gardien runs that has one. @return a new
 * reference, or NULL */
static json_t *find_ban(const struct arguments *arguments)
{
    const char *from = arguments_get(arguments, "from"), *given = arguments_get(arguments, "state");
    scoped(mem_release) char *state = given ? absolute_path(given) : state_default();
    json_t *answer = NULL;

    if (!from || !state)
        return NULL;
    json_t *request = json_pack("{s:s, s:s}", "do", "bans", "network", from);
    int r = control_ask(state, request, 5 * NSEC_PER_SEC, &answer);
    json_t *ban = r < 0 ? NULL : json_incref(json_array_get(json_object_get(answer, "bans"), 0));
    json_decref(request);
    json_decref(answer);
    return ban;
}

static void print_ban(const json_t *ban)
{
    const char *network = json_string_value(json_object_get(ban, "network"));
    const char *why = json_string_value(json_object_get(ban, "why"));
    struct printer printer = printer_of(stdout);

    fputs("\ngardien has banned ", stdout);
    printer_foreign(&printer, span_str(network));
    fputs(why && *why ? ": " : "", stdout);
    printer_foreign(&printer, span_str(why));
    putchar('\n');
    printer_styled(&printer, STYLE_GREEN, "->");
    fputs(" gardien unban ", stdout);
    printer_foreign(&printer, span_str(network));
    putchar('\n');
}

static int answer_all(const struct arguments *arguments, const struct ruleset *ruleset,
                      struct inquiry *inquiry)
{
    size_t count = inquiry->ports * inquiry->families;
    struct firewall_answer *answers = inquiry->answers;

    for (size_t i = 0; ruleset && i < count; i++)
        firewall_why_rules(answers[i].question, answers[i].family, ruleset, &answers[i].path);
    if (!ruleset)
        firewall_why_each(firewall_simulate_live, answers, count);
    json_t *ban = ruleset ? NULL : find_ban(arguments);
    int code = ban ? APP_FAILED : exit_code(inquiry);
    if (arguments_get(arguments, "json"))
        print_answers(inquiry, code, ban);
    else
        print_text(inquiry, !ruleset);
    if (ban && !arguments_get(arguments, "json"))
        print_ban(ban);
    json_decref(ban);
    for (size_t i = 0; i < count; i++)
        firewall_path_finish(&answers[i].path);
    return code;
}

static int why_run(const struct arguments *arguments)
{
    scoped(mem_release) struct inquiry *inquiry = mem_new(struct inquiry);
    const char *file = arguments_get(arguments, "ruleset");
    struct ruleset *ruleset = NULL;
    struct diags diags = {0};
    int code = APP_USAGE;

    bool out = arguments_get(arguments, "out");
    int r = out ? 0 : read_inquiry(arguments, &diags, inquiry);

    if (!out && arguments_get(arguments, "user")) {
        diag_hint(diags_add(&diags, "--user is for --out"), "leave it out");
        r = ERR_SYNTAX;
    }
    if (r == 0 && file && ruleset_read_file(file, &ruleset, &diags) < 0)
        code = WHY_UNKNOWN;
    else if (r == 0 && out)
        code = why_out_run(arguments, ruleset, &diags);
    else if (r == 0)
        code = answer_all(arguments, ruleset, inquiry);
    ruleset_destroy(ruleset);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    return code;
}

const struct verb why_verb = {
    "why",
    why_run,
    "name the rule that keeps a port closed",
    "[PORT[/tcp|/udp]...] [OPTION...]",
    "Makes the kernel receive a forged packet to PORT (by default 443/tcp), as if it had come in\n"
    "from outside, follows it through the firewall and shows each rule that it meets, the one\n"
    "that decides last, with the command that fixes it; then whether anybody listens. The packet\n"
    "leaves this host neither itself nor by an answer, and reaches no program. Needs root, or "
    "the\n"
    "capabilities cap_net_admin and cap_bpf (and cap_perfmon for what is lost outside of "
    "nftables).\n"
    "With --ruleset nothing is sent and no right is needed: the rules in FILE are followed as "
    "the\n"
    "kernel would, and where they alone do not tell, the answer is unknown and names the rule.\n"
    "With --out a first packet of this host's to HOST is followed through output, postrouting and\n"
    "egress, and the answer through input: why an update, a certificate authority, a DNS server "
    "or\n"
    "an application is not reached. Nothing is sent, but HOST is looked up.",
    "gardien why 443\n"
    "gardien why 443/udp -6\n"
    "gardien why 80 443 8443\n"
    "gardien why 8443 --from 192.0.2.7 --interface eth1\n"
    "nft -j list ruleset | gardien why 443 --ruleset - --interface eth0\n"
    "gardien why --out acme-v02.api.letsencrypt.org:443\n"
    "gardien why --out 9.9.9.9:53/udp --user www-data\n"
    "gardien why 443 --json\n",
    why_options,
    PORTS_MAX,
    "0 it is open; 1 something keeps it closed; 2 the command line is wrong; 3 it "
    "could not be told;\nof several ports the worst: 1 before 3"};
