/* What the answers about a name mean, as findings. */
#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "check/names.h"
#include "os/net.h"

enum { LIST_MAX = 600 /* bytes of addresses in a sentence */ };

/* Addresses with a comma between, those for which `wanted` is a source. */
static char *list_text(const struct names *names, bool dns, bool system)
{
    struct buffer text = buffer_make(LIST_MAX);
    char ip[ADDRESS_TEXT];

    for (size_t i = 0; i < names->count; i++) {
        const struct names_address *item = &names->addresses[i];
        if (!((dns && item->from_dns) || (system && item->from_system)))
            continue;
        if (buffer_printf(&text, "%s%s", text.len ? ", " : "",
                          address_ip_text(&item->address, ip)) < 0)
            break;
    }
    char *copy = mem_string(buffer_span(&text));
    buffer_finish(&text);
    return copy;
}

static json_t *addresses_json(const struct names *names)
{
    json_t *list = json_array();
    char ip[ADDRESS_TEXT];

    for (size_t i = 0; i < names->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:b, s:b}", "address",
                                              address_ip_text(&names->addresses[i].address, ip),
                                              "dns", names->addresses[i].from_dns, "system",
                                              names->addresses[i].from_system));
    return list;
}

static size_t count_family(const struct names *names, int family)
{
    size_t count = 0;

    for (size_t i = 0; i < names->count; i++)
        count += names->addresses[i].address.storage.ss_family == family;
    return count;
}

/* ---- no address ---- */

/* What a name is an alias (CNAME) of, or NULL. */
static const char *alias_of(const struct dns_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->count; i++)
        if (answer->records[i].type == DNS_CNAME &&
            span_equal_nocase(span_str(answer->records[i].owner), span_str(name)))
            return answer->records[i].name;
    return NULL;
}

/* Follows aliases from a name within one answer.
 *  @return the name that they end at, or NULL when the name is no alias */
static const char *alias_end(const struct dns_answer *answer, const char *host, bool *ret_circle)
{
    const char *at = host;

    *ret_circle = false;
    for (size_t steps = 0; steps <= answer->count; steps++) {
        const char *next = alias_of(answer, at);
        if (!next)
            return at == host ? NULL : at;
        at = next;
    }
    *ret_circle = true;
    return at;
}

/* The name is an alias that leads to no address. @return false when it is none */
static bool report_dead_alias(const struct names *names, const struct dns_query *query,
                              struct findings *findings)
{
    bool circle;
    const char *end = alias_end(&query->answer, names->target->host, &circle);
    struct finding *finding;

    if (!end)
        return false;
    if (circle) {
        finding = findings_add(findings, FINDING_BAD, "name",
                               "it is an alias (CNAME) of %s, and the aliases go in a circle",
                               alias_of(&query->answer, names->target->host));
        finding_hint(finding, "let one of the aliases lead to a name that has an address");
    } else if (query->answer.code == DNS_NXDOMAIN) {
        finding =
            findings_add(findings, FINDING_BAD, "name",
                         "it is an alias (CNAME) of %s, and there is no such name (NXDOMAIN)", end);
        finding_hint(finding, "correct where the alias leads to, or take it away: who registers "
                              "that name gets the visitors");
    } else {
        finding = findings_add(findings, FINDING_BAD, "name",
                               "it is an alias (CNAME) of %s, for which %s gives no address", end,
                               names->options.only_dns ? "this server" : "DNS");
        finding_hint(finding, "add an A or AAAA record to %s, or correct where the alias leads to",
                     end);
    }
    return true;
}

static void report_dns_failure(const struct names *names, const struct dns_query *query,
                               struct findings *findings)
{
    const char *host = names->target->host;
    char ip[ADDRESS_TEXT];
    struct finding *finding;

    address_ip_text(&query->server, ip);
    if (!query->error && report_dead_alias(names, query, findings)) {
        finding = &findings->items[findings->count - 1];
    } else if (query->error == ERR_TIMEOUT) {
        finding = findings_add(findings, FINDING_BAD, "name",
                               "no DNS server answered in time; the last one asked was %s", ip);
        finding_hint(finding,
                     "see whether %s is the right server in %s and whether "
                     "UDP port 53 gets through to it",
                     ip, nameservers_place);
    } else if (query->error) {
        finding = findings_add(findings, FINDING_BAD, "name",
                               "the DNS server %s could not be asked: %s", ip,
                               query->error == -ECONNREFUSED ? "nothing answers on its port 53"
                                                             : error_text(query->error));
        finding_hint(finding, "correct the servers in %s", nameservers_place);
    } else if (query->answer.code == DNS_NXDOMAIN) {
        finding = findings_add(findings, FINDING_BAD, "name", "there is no such name (NXDOMAIN)");
        finding_hint(finding, "check the spelling; if it is your domain, add an A or AAAA record "
                              "for it and see that its registration has not lapsed");
    } else if (query->answer.code == DNS_SERVFAIL) {
        finding = findings_add(findings, FINDING_BAD, "name",
                               "the DNS server %s failed to find out (SERVFAIL)", ip);
        finding_hint(finding,
                     "the domain's own DNS servers do not answer, or its DNSSEC signatures "
                     "are broken or expired: check both at the DNS provider");
    } else if (query->answer.code != DNS_NOERROR) {
        finding = findings_add(findings, FINDING_BAD, "name", "the DNS server %s: %s", ip,
                               dns_code_text(query->answer.code));
        finding_hint(finding, "ask another DNS server, with --dns ADDRESS");
    } else {
        finding =
            findings_add(findings, FINDING_BAD, "name", "the name exists, but it has no address");
        finding_hint(finding, "add an A record with the server's IPv4 address, and an AAAA record "
                              "with its IPv6 address");
    }
    finding_subject(finding, "%s", host);
    finding->took = query->took;
}

static void report_none(const struct names *names, struct findings *findings)
{
    if (names->left_out) {
        struct finding *finding =
            findings_add(findings, FINDING_BAD, "name", "it has no IPv%c address",
                         names->options.family == AF_INET6 ? '6' : '4');
        finding_subject(finding, "%s", names->target->host);
        finding_hint(finding, "leave -%c out, or add such a record",
                     names->options.family == AF_INET6 ? '6' : '4');
    } else if (names->asked_dns) {
        const struct dns_query *query = &names->a;
        if (query->error && !names->aaaa.error)
            query = &names->aaaa;
        report_dns_failure(names, query, findings);
    } else {
        struct finding *finding =
            findings_add(findings, FINDING_BAD, "name", "this machine knows no such name: %s",
                         names->system_error ? error_text(names->system_error)
                                             : gai_strerror(names->system.error));
        finding_subject(finding, "%s", names->target->host);
        finding_hint(finding, "names under .local are announced by the machines themselves: is it "
                              "switched on, and in the same network?");
    }
}

/* ---- addresses ---- */

static void report_addresses(const struct names *names, struct findings *findings)
{
    scoped(mem_release) char *list = list_text(names, true, true);
    size_t four = count_family(names, AF_INET), six = count_family(names, AF_INET6);

    struct finding *finding = findings_add(
        findings, FINDING_GOOD, "name", "%zu IPv4 and %zu IPv6 address%s: %s%s", four, six,
        four + six == 1 ? "" : "es", list, names->pinned ? " (by --resolve)" : "");
    finding_subject(finding, "%s", names->target->host);
    finding_fact(finding, "addresses", addresses_json(names));
    if (!names->pinned)
        finding->took = names->took;
    if (names->asked_dns && names->a.done && !names->a.error && names->a.answer.authenticated)
        finding_fact(finding, "dnssec", json_true());
    if (names->left_out && names->count == NAMES_ADDRESSES_MAX)
        finding_subject(findings_add(findings, FINDING_NOTE, "name",
                                     "%zu more addresses are not looked at", names->left_out),
                        "%s", names->target->host);
    if (six == 0 && names->asked_dns && !names->options.family && names->aaaa.error == 0)
        finding_subject(findings_add(findings, FINDING_NOTE, "name",
                                     "no IPv6 address (AAAA record): visitors who have IPv6 alone "
                                     "cannot come"),
                        "%s", names->target->host);
}

/* DNS told one part of the addresses only. */
static void report_half(const struct names *names, const struct dns_query *query, const char *type,
                        struct findings *findings)
{
    char ip[ADDRESS_TEXT];

    if (!query->done || (!query->error && query->answer.code == DNS_NOERROR) ||
        (!query->error && query->answer.code == DNS_NXDOMAIN))
        return;
    struct finding *finding = findings_add(
        findings, FINDING_WARNING, "name", "the question for %s records failed at %s: %s", type,
        address_ip_text(&query->server, ip),
        query->error ? error_text(query->error) : dns_code_text(query->answer.code));
    finding_subject(finding, "%s", names->target->host);
    finding_hint(finding,
                 "see that the domain's DNS servers answer %s questions, if only with an "
                 "empty answer: browsers wait for it",
                 type);
}

static void report_aliases(const struct names *names, struct findings *findings)
{
    const struct dns_query *query =
        names->a.done && !names->a.error && names->a.answer.count ? &names->a : &names->aaaa;
    struct buffer text = buffer_make(LIST_MAX);
    unsigned count = 0;

    if (!query->done || query->error)
        return;
    for (size_t i = 0; i < query->answer.count; i++) {
        const struct dns_record *record = &query->answer.records[i];
        if (record->type == DNS_CNAME && ++count &&
            buffer_printf(&text, "%s%s", count > 1 ? " -> " : "", record->name) < 0)
            break;
    }
    if (count) {
        struct finding *finding =
            findings_add(findings, count > 8 ? FINDING_WARNING : FINDING_NOTE, "name",
                         "an alias (CNAME): %.*s", SPAN_ARGS(buffer_span(&text)));
        finding_subject(finding, "%s", names->target->host);
        if (count > 8)
            finding_hint(finding, "shorten the chain: resolvers give up on long ones");
    }
    buffer_finish(&text);
}

static bool differs(const struct names *names)
{
    bool dns_only = false, system_only = false, any_dns = false, any_system = false;

    for (size_t i = 0; i < names->count; i++) {
        const struct names_address *item = &names->addresses[i];
        any_dns |= item->from_dns;
        any_system |= item->from_system;
        dns_only |= item->from_dns && !item->from_system;
        system_only |= item->from_system && !item->from_dns;
    }
    /* Servers that hand out some of many addresses at a time differ from answer to answer. */
    return any_dns && any_system && system_only && dns_only;
}

/* A server that is asked first and does not answer delays every program of this machine. */
static bool report_silent(const struct names *names, struct findings *findings)
{
    const struct dns_query *query = &names->a;
    char ip[ADDRESS_TEXT];

    if (!query->done || query->error || !query->silent_error)
        return false;
    address_ip_text(&query->silent, ip);
    struct finding *finding =
        findings_add(findings, FINDING_WARNING, "name",
                     "the DNS server %s, which is asked first, does not answer (%s): programs of "
                     "this machine wait for it before they ask the next",
                     ip, error_text(query->silent_error));
    finding_subject(finding, "%s", names->target->host);
    finding_hint(finding, "take %s out of %s, or start that server", ip, nameservers_place);
    return true;
}

static void report_system(const struct names *names, struct findings *findings)
{
    bool silent = report_silent(names, findings);
    scoped(mem_release) char *dns = list_text(names, true, false);
    scoped(mem_release) char *system = list_text(names, false, true);
    struct finding *finding = NULL;

    if (!names->asked_system || !names->asked_dns)
        return;
    if (!*dns) {
        finding = findings_add(findings, FINDING_NOTE, "name",
                               "only this machine's own resolver knows it (hosts file, mDNS or a "
                               "search domain): %s",
                               system);
        finding_hint(finding, "for visitors elsewhere, add a DNS record");
    } else if (!*system && silent && names->system_error == ERR_TIMEOUT) {
        return; /* it asks the silent server, too */
    } else if (!*system) {
        bool failed = names->system_error || names->system.error;
        finding = findings_add(findings, FINDING_WARNING, "name",
                               "DNS knows it, this machine's own resolver does not: %s",
                               !failed               ? "no answer yet"
                               : names->system_error ? error_text(names->system_error)
                                                     : gai_strerror(names->system.error));
        finding_hint(finding, "programs here fail to find it: look at %s", lookup_place);
    } else if (differs(names)) {
        finding = findings_add(findings, FINDING_WARNING, "name",
                               "this machine's own resolver says %s, DNS says %s", system, dns);
        finding_hint(finding,
                     "if that is not meant, look for the name in %s: what this "
                     "machine sees, visitors elsewhere do not",
                     lookup_hosts);
    }
    if (finding)
        finding_subject(finding, "%s", names->target->host);
}

/* Addresses in public records that nobody outside can reach. */
static void report_special(const struct names *names, struct findings *findings)
{
    char ip[ADDRESS_TEXT];

    for (size_t i = 0; names->asked_dns && i < names->count; i++) {
        const struct names_address *item = &names->addresses[i];
        const char *what = address_special(&item->address);
        if (!what || !item->from_dns)
            continue;
        address_ip_text(&item->address, ip);
        struct finding *finding =
            findings_add(findings, FINDING_NOTE, "name",
                         "the record says %s: visitors from the internet cannot reach that", what);
        finding_subject(finding, "%s", ip);
        finding_hint(finding, "if the site is for the world, publish a public address instead");
    }
}

/* ---- HTTPS and CAA records ---- */

static bool has_address(const struct names *names, int family, const unsigned char *bytes)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct sockaddr_storage *storage = &names->addresses[i].address.storage;
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)storage;
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)storage;
        if (storage->ss_family == family &&
            (family == AF_INET ? memcmp(&in4->sin_addr, bytes, 4)
                               : memcmp(&in6->sin6_addr, bytes, 16)) == 0)
            return true;
    }
    return false;
}

static bool hints_fit(const struct names *names, const struct dns_https *https)
{
    bool fit = true;

    for (size_t i = 0; i < https->ipv4_count; i++)
        fit = fit && has_address(names, AF_INET, https->ipv4[i]);
    for (size_t i = 0; i < https->ipv6_count; i++)
        fit = fit && has_address(names, AF_INET6, https->ipv6[i]);
    return fit;
}

static void report_https(const struct names *names, struct findings *findings)
{
    const struct dns_https *https = names_https(names);
    struct buffer protocols = buffer_make(DNS_ALPN_MAX * 20);

    if (!https)
        return;
    json_t *alpn = json_array();
    for (size_t i = 0; i < https->alpn_count; i++) {
        json_array_append_new(alpn, json_string(https->alpn[i]));
        if (buffer_printf(&protocols, "%s%s", i ? ", " : "", https->alpn[i]) < 0)
            break; /* cannot be: bounded by DNS_ALPN_MAX */
    }
    bool whole =
        names->options.family || names->pinned || hints_fit(names, https) || names->left_out;
    struct finding *finding = findings_add(
        findings, whole ? FINDING_GOOD : FINDING_WARNING, "https-record", "%s%s%.*s%s%s",
        https->priority ? "tells browsers to use HTTPS at once" : "an alias of ",
        https->priority ? (protocols.len ? ", with " : "") : https->target,
        SPAN_ARGS(buffer_span(&protocols)), https->has_ech ? ", ECH" : "",
        whole ? "" : ", but its address hints are not among the addresses");
    if (!whole)
        finding_hint(finding, "correct ipv4hint and ipv6hint: browsers may use them instead of the "
                              "A and AAAA records");
    finding_subject(finding, "%s", names->target->host);
    finding_fact(finding, "alpn", alpn);
    finding->took = names->https.took;
    buffer_finish(&protocols);
}

static void report_caa(const struct names *names, struct findings *findings)
{
    const struct dns_answer *answer = names_caa(names);
    struct buffer text = buffer_make(LIST_MAX);
    unsigned issuers = 0;

    for (size_t i = 0; answer && i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];
        if (record->type != DNS_CAA || strcmp(record->caa.tag, "issue") != 0)
            continue;
        bool none = record->caa.value[0] == ';' || record->caa.value[0] == '\0';
        if (!none && buffer_printf(&text, "%s%s", issuers ? ", " : "", record->caa.value) < 0)
            break;
        issuers += !none;
    }
    if (answer && issuers)
        finding_subject(findings_add(findings, FINDING_GOOD, "caa",
                                     "only these may issue certificates for it: %.*s",
                                     SPAN_ARGS(buffer_span(&text))),
                        "%s", names->target->host);
    else if (answer)
        finding_subject(findings_add(findings, FINDING_NOTE, "caa",
                                     "has CAA records, but none that lets an authority issue"),
                        "%s", names->target->host);
    buffer_finish(&text);
}

void names_report(const struct names *names, struct findings *findings)
{
    if (names->target->is_ip && names->count)
        return;
    if (names->count == 0) {
        report_none(names, findings);
        return;
    }
    report_addresses(names, findings);
    report_half(names, &names->a, "A", findings);
    report_half(names, &names->aaaa, "AAAA", findings);
    report_aliases(names, findings);
    report_system(names, findings);
    report_special(names, findings);
    report_https(names, findings);
    report_caa(names, findings);
}
