/* What checking has on Linux alone: gardien's own CA, this machine as strangers meet it, and an eye
 * elsewhere. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/cert.h"
#include "cli/check_parts.h"
#include "cli/cli.h"
#include "cli/eye_key.h"
#include "os/state.h"

static const struct option check_options[] = {
    CHECK_OPTION_TIMEOUT,
    CHECK_OPTION_RESOLVE,
    {"dns", "ADDRESS", false, "ask this DNS server instead of those in /etc/resolv.conf"},
    CHECK_OPTION_IPV4,
    CHECK_OPTION_IPV6,
    {"expect", "LIST", false, "what must hold, e.g. status=200,days>14,time<500ms"},
    CHECK_OPTION_WATCH,
    CHECK_OPTION_EVERY,
    CHECK_OPTION_NAGIOS,
    {"from", "EYE[:PORT]", false,
     "what a machine elsewhere sees of this one, where `gardien eye` runs"},
    OPTION_EYE_KEY,
    OPTION_STATE,
    OPTION_JSON,
    OPTION_END,
};

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

/* What only makes sense for a host that is named, or for an eye. */
static int check_alone(const struct arguments *arguments, struct diags *diags)
{
    static const char *const others[] = {"watch", "nagios", "expect", "resolve", "dns"};

    for (size_t i = 0; !arguments_get(arguments, "from") && i < ARRAY_SIZE(others); i++) {
        if (!arguments_get(arguments, others[i]))
            continue;
        diag_hint(diags_add(diags, "--%s needs a host", others[i]),
                  "gardien check example.com --%s", others[i]);
        return ERR_SYNTAX;
    }
    return 0;
}

/* What only makes sense for a check of our own: an eye looks no name up. */
static int check_ours(const struct arguments *arguments, struct diags *diags)
{
    static const char *const others[] = {"resolve", "dns"};

    for (size_t i = 0; arguments_get(arguments, "from") && i < ARRAY_SIZE(others); i++) {
        if (!arguments_get(arguments, others[i]))
            continue;
        diag_hint(
            diags_add(diags, "--%s and --from exclude each other", others[i]),
            "an eye looks at the address that it is asked from, so no name is looked up; name one "
            "all the same for TLS and HTTP: gardien check example.com --from EYE");
        return ERR_SYNTAX;
    }
    return 0;
}

int check_read_target(const struct arguments *arguments, struct diags *diags,
                      struct check_request *request)
{
    const char *word = arguments->word_count ? arguments->words[0] : "";
    int r;

    if (arguments->word_count && !*word) { /* a variable of a script that is not set */
        diag_hint(diags_add(diags, "an empty word is no host"),
                  "gardien check example.com; without any word it checks this machine");
        return ERR_SYNTAX;
    }
    request->port_here = port_here(word);
    r = request->port_here ? check_alone(arguments, diags)
                           : target_parse(word, diags, &request->target);
    if (check_ours(arguments, diags) < 0)
        r = ERR_SYNTAX;
    request->local_ca = read_local_ca(arguments);
    return r;
}

bool check_is_other(const struct check_request *request, const struct arguments *arguments)
{
    return request->port_here || arguments_get(arguments, "from");
}

int check_run_other(struct check_request *request, const struct arguments *arguments)
{
    if (arguments_get(arguments, "from"))
        return check_from(request, arguments);
    return check_this_machine(request, request->port_here, arguments);
}

const struct verb check_verb = {
    "check",
    check_verb_run,
    "look from outside whether a site is open, and if not, why not",
    "[HOST[:PORT]] [OPTION...]",
    "Looks at one site as a visitor does: its name in DNS and in this machine's own resolver, "
    "TCP\n"
    "on every address with who refuses, TLS, the certificate, HTTP/1.1, HTTP/2, HTTP/3, "
    "redirects,\n"
    "HSTS and port 80. The last line says what is wrong first, and how to fix it. HOST may be "
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
    "gardien check --from eye.example.net\n"
    "gardien check example.com --from eye.example.net --nagios --expect \"status=200,days>14\"\n",
    check_options,
    1,
    CHECK_EXITS,
    "example.com"};
