/* Checking on other systems: a host that is named, its names, TCP and HTTP/3. */
#include "base/error.h"
#include "cli/check_parts.h"
#include "cli/cli.h"

static const struct option check_options[] = {
    CHECK_OPTION_TIMEOUT,
    CHECK_OPTION_RESOLVE,
    {"dns", "ADDRESS", false, "ask this DNS server instead of those of this machine"},
    CHECK_OPTION_IPV4,
    CHECK_OPTION_IPV6,
    {"expect", "LIST", false, "what must hold, e.g. failing=0,rtt<200ms"},
    CHECK_OPTION_WATCH,
    CHECK_OPTION_EVERY,
    CHECK_OPTION_NAGIOS,
    OPTION_JSON,
    OPTION_END,
};

int check_read_target(const struct arguments *arguments, struct diags *diags,
                      struct check_request *request)
{
    const char *word = arguments->word_count ? arguments->words[0] : "";

    if (*word && *word != ':')
        return target_parse(word, diags, &request->target);
    diag_hint(diags_add(diags, "which host is to be checked?"),
              "for example: gardien check example.com; what lets strangers in to this machine is "
              "shown by: gardien open --dry-run");
    return ERR_SYNTAX;
}

bool check_is_other(const struct check_request *request, const struct arguments *arguments)
{
    return false;
}

int check_run_other(struct check_request *request, const struct arguments *arguments)
{
    return APP_USAGE; /* there is no other */
}

const struct verb check_verb = {
    "check",
    check_verb_run,
    "look whether a site can be reached, and if not, why not",
    "HOST[:PORT] [OPTION...]",
    "Looks at one site as a visitor does, as far as the gardien of this system sees: its name in\n"
    "DNS and in this machine's own resolver, TCP on every address with its time or the reason of\n"
    "refusal, whether a service that is none of the web answers, and HTTP/3 by UDP. It does not\n"
    "look at TLS, the certificate and HTTP: gardien on Linux does. The last line says what is\n"
    "wrong first, and how to fix it. HOST may be an IP address or a whole URL.\n"
    "With --expect only what is expected decides the exit code. It knows rtt, addresses, failing,\n"
    "h3 and ipv6, with = != < <= > >=.",
    "gardien check example.com\n"
    "gardien check example.com:8443 --resolve example.com:192.0.2.7\n"
    "gardien check example.com --expect \"failing=0,rtt<200ms\"\n"
    "gardien check example.com --watch --every 30\n"
    "gardien check example.com --nagios\n",
    check_options,
    1,
    CHECK_EXITS,
    "example.com"};
