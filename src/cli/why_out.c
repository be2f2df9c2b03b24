/* `gardien why --out HOST:PORT`: each address of HOST, one of IPv4 and one of IPv6, is a question
 * to the rules. No packet is sent but to look the name up. */
#include "cli/why_out.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "report/printer.h"

enum { FAMILIES = 2, USER_MAX = 64 };

struct out_inquiry {
    struct firewall_question questions[FAMILIES];
    struct firewall_answer answers[FAMILIES];
    size_t count;
};

/* Options that say where a packet from outside comes from, and ports. */
static int refuse_others(const struct arguments *arguments, struct diags *diags)
{
    static const char *const others[] = {"from", "to"};

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (arguments_get(arguments, others[i])) {
            diag_hint(diags_add(diags, "--%s is for packets from outside", others[i]),
                      "leave it out beside --out");
            return ERR_SYNTAX;
        }
    if (arguments->word_count) {
        diag_hint(diags_add(diags, "--out has the port behind its host, and takes no other"),
                  "gardien why --out HOST:%s", arguments->words[0]);
        return ERR_SYNTAX;
    }
    return 0;
}

/* "example.com:443", "[2001:db8::1]:53/udp". @param ret_host  for free() */
static int read_target(const char *text, struct diags *diags, char **ret_host,
                       struct port *ret_port)
{
    const char *colon = strrchr(text, ':');
    struct span host = span_of(text, colon ? (size_t)(colon - text) : 0);
    bool bracketed = host.len > 2 && text[0] == '[' && text[host.len - 1] == ']';

    if (bracketed)
        host = span_of(text + 1, host.len - 2);
    if (!host.len || (!bracketed && memchr(host.ptr, ':', host.len))) {
        diag_hint(diags_add(diags, "--out %s: a host and a port are wanted", text),
                  "as example.com:443, 192.0.2.1:53/udp or [2001:db8::1]:443");
        return ERR_SYNTAX;
    }
    int r = port_parse(colon + 1, diags, ret_port);
    if (r == 0)
        *ret_host = mem_string(host);
    return r;
}

/* A number or the name of an account. */
static int read_user(const struct arguments *arguments, struct diags *diags,
                     struct firewall_question *question)
{
    const char *text = arguments_get(arguments, "user");
    const struct passwd *account = text ? getpwnam(text) : NULL;
    char *end = NULL;

    if (!text)
        return 0;
    unsigned long number = strtoul(text, &end, 10);
    bool numeric = text[0] >= '0' && text[0] <= '9' && *end == '\0' && number < UINT32_MAX;
    if (!account && !numeric) {
        diag_hint(diags_add(diags, "--user %.*s: there is no such account", USER_MAX, text),
                  "give the name or number of the account that the program runs as");
        return ERR_SYNTAX;
    }
    question->has_user = true;
    question->user = account ? account->pw_uid : (unsigned)number;
    return 0;
}

static void take_address(struct out_inquiry *inquiry, const struct firewall_question *common,
                         const struct addrinfo *info)
{
    struct firewall_question *question = &inquiry->questions[inquiry->count];
    const void *address = info->ai_addr;

    for (size_t i = 0; i < inquiry->count; i++)
        if (inquiry->answers[i].family == info->ai_family)
            return; /* the first of each family, which programs try first */
    *question = *common;
    question->to_family = info->ai_family;
    if (info->ai_family == AF_INET)
        memcpy(question->to, &((const struct sockaddr_in *)address)->sin_addr, 4);
    else
        memcpy(question->to, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    inquiry->answers[inquiry->count++] =
        (struct firewall_answer){.question = question, .family = info->ai_family};
}

static int look_up(const struct arguments *arguments, const char *host,
                   const struct firewall_question *common, struct diags *diags,
                   struct out_inquiry *inquiry)
{
    bool four = arguments_get(arguments, "ipv4"), six = arguments_get(arguments, "ipv6");
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_family = four == six ? AF_UNSPEC
                                          : four      ? AF_INET
                                                      : AF_INET6};
    struct addrinfo *list;
    int error = getaddrinfo(host, NULL, &hints, &list);

    if (error) {
        diag_hint(diags_add(diags, "%s cannot be looked up: %s", host, gai_strerror(error)),
                  "give an address; whether a DNS server is reached: gardien why --out "
                  "ADDRESS:53/udp");
        return ERR_NOT_FOUND;
    }
    for (const struct addrinfo *one = list; one && inquiry->count < FAMILIES; one = one->ai_next)
        if (one->ai_family == AF_INET || one->ai_family == AF_INET6)
            take_address(inquiry, common, one);
    freeaddrinfo(list);
    return inquiry->count ? 0 : ERR_NOT_FOUND;
}

static void follow(const struct ruleset *ruleset, struct out_inquiry *inquiry)
{
    for (size_t i = 0; i < inquiry->count; i++) {
        struct firewall_answer *answer = &inquiry->answers[i];
        if (ruleset)
            firewall_why_rules(answer->question, answer->family, ruleset, &answer->path);
        else
            answer->result = firewall_why_out(answer->question, answer->family, &answer->path);
    }
}

static void print(const struct arguments *arguments, const struct out_inquiry *inquiry, int code)
{
    struct printer printer = printer_of(stdout);

    if (arguments_get(arguments, "json")) {
        print_json(why_json(inquiry->answers, inquiry->count, code));
        return;
    }
    for (size_t i = 0; i < inquiry->count; i++) {
        if (i > 0)
            putchar('\n');
        firewall_path_print(&printer, &inquiry->answers[i].path);
    }
}

int why_out_run(const struct arguments *arguments, const struct ruleset *ruleset,
                struct diags *diags)
{
    struct firewall_question common = {.out = true,
                                       .interface = arguments_get(arguments, "interface")};
    struct out_inquiry inquiry = {.count = 0};
    scoped(mem_release) char *host = NULL;
    struct port port;
    int r = refuse_others(arguments, diags);

    if (r == 0)
        r = read_target(arguments_get(arguments, "out"), diags, &host, &port);
    if (r == 0)
        r = read_user(arguments, diags, &common);
    if (r < 0)
        return APP_USAGE;
    common.port = port.number;
    common.protocol = port.protocol == PORT_UDP ? IPPROTO_UDP : IPPROTO_TCP;
    if (look_up(arguments, host, &common, diags, &inquiry) < 0)
        return WHY_UNKNOWN;
    follow(ruleset, &inquiry);
    int code = why_port_code(inquiry.answers, inquiry.count);
    print(arguments, &inquiry, code);
    for (size_t i = 0; i < inquiry.count; i++)
        firewall_path_finish(&inquiry.answers[i].path);
    return code;
}
