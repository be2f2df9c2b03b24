/* `gardien why`. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/error.h"
#include "cli/cli.h"
#include "firewall/firewall.h"
#include "report/face.h"

static const struct option why_options[] = {
    {"from", "ADDR", false, "as if it came from this address (default: from the Internet)"},
    {"to", "ADDR", false, "to this address of this host (default: that of the interface)"},
    {"interface", "NAME", false, "as if it came in here (default: where ADDR is reached)"},
    {"ruleset", "FILE", false,
     "follow the rules saved in FILE (nft -j list ruleset; - is the standard input)"},
    {"ipv4", NULL, false, "IPv4 only", "-4"},
    {"ipv6", NULL, false, "IPv6 only", "-6"},
    OPTION_JSON,
    OPTION_END,
};

enum { FAMILIES = 2, WHY_UNKNOWN = 3 };

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

static int read_question(const struct arguments *arguments, struct diags *diags,
                         struct firewall_question *ret_question)
{
    struct port port = {.number = 443};
    struct firewall_question question = {.interface = arguments_get(arguments, "interface")};
    int r = 0;

    if (arguments->word_count)
        r = port_parse(arguments->words[0], diags, &port);
    if (r == 0)
        r = read_address(arguments, "from", diags, question.from, &question.from_family);
    if (r == 0)
        r = read_address(arguments, "to", diags, question.to, &question.to_family);
    if (r < 0)
        return r;
    if (question.from_family && question.to_family && question.from_family != question.to_family) {
        diag_hint(diags_add(diags, "--from and --to are addresses of IPv4 and of IPv6"),
                  "give two of the same");
        return ERR_SYNTAX;
    }
    question.port = port.number;
    question.protocol = port.protocol == PORT_UDP ? IPPROTO_UDP : IPPROTO_TCP;
    *ret_question = question;
    return 0;
}

/* Which families are meant: those of the options, or of the addresses, or both.
 * @return how many, or ERR_SYNTAX */
static int choose_families(const struct arguments *arguments,
                           const struct firewall_question *question, struct diags *diags,
                           struct firewall_answer answers[FAMILIES])
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
        answers[count++] = (struct firewall_answer){.family = AF_INET};
    if (named ? named == AF_INET6 : six || !four)
        answers[count++] = (struct firewall_answer){.family = AF_INET6};
    return count;
}

/* Closed by something, else unknown by something, else open. A family that this host does not have
 * counts only when it alone was asked for. */
static int exit_code(const struct firewall_answer *answers, int count)
{
    bool closed = false, unknown = false, open = false;

    for (int i = 0; i < count; i++) {
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

/* Whether a rule of this host keeps it closed that `gardien open` can mend. */
static bool may_open(const struct firewall_answer *answers, int count)
{
    for (int i = 0; i < count; i++) {
        const struct firewall_path *path = &answers[i].path;
        if (path->culprit != FIREWALL_NO_CULPRIT &&
            (path->verdict == FIREWALL_DROPPED || path->verdict == FIREWALL_REJECTED))
            return true;
    }
    return false;
}

static void print_text(const struct firewall_answer *answers, int count, bool live)
{
    struct face face = face_of(stdout);
    const struct firewall_probe *probe = &answers[0].path.probe;

    for (int i = 0; i < count; i++) {
        if (i > 0)
            putchar('\n');
        firewall_path_print(&face, &answers[i].path);
    }
    if (live && may_open(answers, count))
        printf(
            "\nthe same by whoever is in charge of the firewall, and kept over restarts: gardien "
            "open %u/%s\n",
            probe->port, probe->protocol == IPPROTO_UDP ? "udp" : "tcp");
}

static void print_answers(const struct firewall_answer *answers, int count, int code)
{
    json_t *paths = json_array();

    for (int i = 0; i < count; i++)
        json_array_append_new(paths, firewall_path_json(&answers[i].path));
    print_json(json_pack("{s:o, s:o}", "open",
                         code == WHY_UNKNOWN ? json_null() : json_boolean(code == APP_OK), "paths",
                         paths));
}

static int answer_all(const struct arguments *arguments, const struct firewall_question *question,
                      const struct ruleset *ruleset, struct firewall_answer *answers, int count)
{
    for (int i = 0; ruleset && i < count; i++)
        firewall_why_rules(question, answers[i].family, ruleset, &answers[i].path);
    if (!ruleset)
        firewall_why_each(question, firewall_simulate_live, answers, (size_t)count);
    int code = exit_code(answers, count);
    if (arguments_get(arguments, "json"))
        print_answers(answers, count, code);
    else
        print_text(answers, count, !ruleset);
    for (int i = 0; i < count; i++)
        firewall_path_finish(&answers[i].path);
    return code;
}

static int why_run(const struct arguments *arguments)
{
    struct firewall_question question;
    struct firewall_answer answers[FAMILIES];
    const char *file = arguments_get(arguments, "ruleset");
    struct ruleset *ruleset = NULL;
    struct diags diags = {0};
    int code = APP_USAGE;

    int r = read_question(arguments, &diags, &question);
    if (r == 0)
        r = choose_families(arguments, &question, &diags, answers);
    if (r > 0 && file && ruleset_read_file(file, &ruleset, &diags) < 0)
        code = WHY_UNKNOWN;
    else if (r > 0)
        code = answer_all(arguments, &question, ruleset, answers, r);
    ruleset_destroy(ruleset);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    return code;
}

const struct verb why_verb = {
    "why",
    why_run,
    "name the rule that keeps a port closed",
    "[PORT[/tcp|/udp]] [OPTION...]",
    "Makes the kernel receive a forged packet to PORT (by default 443/tcp), as if it had come in\n"
    "from outside, follows it through the firewall and shows each rule that it meets, the one\n"
    "that decides last, with the command that mends it; then whether anybody listens. The packet\n"
    "leaves this host neither itself nor by an answer, and reaches no program. Needs root, or "
    "the\n"
    "capabilities cap_net_admin and cap_bpf (and cap_perfmon for what is lost outside of "
    "nftables).\n"
    "With --ruleset nothing is sent and no right is needed: the rules in FILE are followed as "
    "the\n"
    "kernel would, and where they alone do not tell, the answer is unknown and names the rule.",
    "gardien why 443\n"
    "gardien why 443/udp -6\n"
    "gardien why 8443 --from 192.0.2.7 --interface eth1\n"
    "nft -j list ruleset | gardien why 443 --ruleset - --interface eth0\n"
    "gardien why 443 --json\n",
    why_options,
    1,
    "0 it is open; 1 something keeps it closed; 2 the command line is wrong; 3 it "
    "could not be told"};
