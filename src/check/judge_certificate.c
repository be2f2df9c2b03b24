/* The certificate as a visitor's browser judges it, each "why not" in plain words. */
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "check/internal.h"
#include "check/revocation.h"
#include "report/printer.h"
#include "tls/tls.h"

enum { NAMES_SHOWN = 8, ISSUER_DAYS = 30 /* that an issuer must have left at least */ };

#define DAY (86400 * NSEC_PER_SEC)

/* One certificate under judgement. */
struct inquest {
    const struct check *check;
    const struct probe *probe;
    const char *host; /* that it must be for; NULL: this machine is meant, whatever its name */
    const char *subject;
    const struct cert_chain *chain;
    const struct cert_judgement *judgement;
    struct check_result *result;
};

static struct finding *add(const struct inquest *inquest, enum finding_grade grade,
                           const char *sentence)
{
    struct finding *finding =
        findings_add(&inquest->result->findings, grade, "certificate", "%s", sentence);

    finding_subject(finding, "%s", inquest->subject);
    return finding;
}

static char *names_text(const struct cert_info *leaf)
{
    char *text = mem_string(SPAN(""));

    for (size_t i = 0; i < leaf->name_count && i < NAMES_SHOWN; i++) {
        char *longer = mem_format("%s%s%s", text, i ? ", " : "", leaf->names[i]);
        free(text);
        text = longer;
    }
    if (leaf->name_count > NAMES_SHOWN) {
        char *longer = mem_format("%s and %zu more", text, leaf->name_count - NAMES_SHOWN);
        free(text);
        text = longer;
    }
    return text;
}

/* What somebody else wrote, for facts: a terminal may show them, too. */
static json_t *foreign_json(const char *text)
{
    scoped(mem_release) char *escaped = escape_text(span_str(text));

    return json_string(escaped);
}

/* The common name of a subject as RFC 2253 writes it, or else all of it, escaped; for free(). */
static char *short_name(const char *subject)
{
    const char *at = strstr(subject, "CN=");
    size_t len = 0;

    if (!at || (at != subject && at[-1] != ',' && at[-1] != '+'))
        return escape_text(span_str(subject));
    at += 3;
    while (at[len] && at[len] != ',' && at[len] != '+')
        len += at[len] == '\\' && at[len + 1] ? 2 : 1;
    return escape_text(span_of(at, len));
}

/* ---- names ---- */

static void judge_names(const struct inquest *inquest)
{
    const struct cert_info *leaf = &inquest->chain->items[0];
    const char *host = inquest->host;
    scoped(mem_release) char *names = names_text(leaf);
    struct finding *finding;

    if (!host || cert_matches(leaf, span_str(host)))
        return;
    if (leaf->names_from_common_name) {
        scoped(mem_release) char *text = mem_format(
            "has no alternative names, only the common name %s, which browsers ignore", names);
        finding = add(inquest, FINDING_BAD, text);
    } else {
        scoped(mem_release) char *text =
            mem_format("is not for %s, but for %s", host, *names ? names : "no name at all");
        finding = add(inquest, FINDING_BAD, text);
    }
    finding_hint(finding,
                 "get a certificate that names %s, or let the server choose the right one "
                 "for it (SNI)%s",
                 host,
                 leaf->name_count && span_starts(span_str(leaf->names[0]), SPAN("*."))
                     ? "; a wildcard stands for one label only"
                     : "");
}

/* ---- dates ---- */

static int64_t days_until(nsec_t end, nsec_t now)
{
    return end >= now ? (end - now) / DAY : end / DAY - now / DAY;
}

/* The first end on the path counts for all: an issuer may end before the leaf does. */
static void judge_path_end(const struct inquest *inquest)
{
    const struct cert_judgement *judgement = inquest->judgement;
    nsec_t leaf = inquest->chain->items[0].not_after, now = inquest->check->options->wall;
    bool earlier = judgement->ends_issuer && judgement->ends < leaf;
    int64_t days = days_until(earlier ? judgement->ends : leaf, now);
    char date[CERT_DATE_TEXT];

    if (inquest->result->metrics.days == INT64_MIN || days < inquest->result->metrics.days)
        inquest->result->metrics.days = days;
    if (!earlier || judgement->ends < now || days >= ISSUER_DAYS)
        return; /* judge_rest() tells of one that is out of date */
    scoped(mem_release) char *who = short_name(judgement->ends_issuer);
    scoped(mem_release) char *text = mem_format(
        "its issuer's certificate \"%s\" ends on %s, in %lld day%s, before its own does", who,
        cert_date_text(judgement->ends, date), (long long)days, days == 1 ? "" : "s");
    finding_hint(add(inquest, FINDING_WARNING, text),
                 "renew now and send the issuer that comes with it (fullchain.pem), or ask the "
                 "authority which issuer follows");
}

static void judge_dates(const struct inquest *inquest)
{
    const struct cert_info *leaf = &inquest->chain->items[0];
    nsec_t now = inquest->check->options->wall;
    char date[CERT_DATE_TEXT];
    int64_t days = days_until(leaf->not_after, now);
    struct finding *finding = NULL;

    judge_path_end(inquest);
    if (leaf->not_after < now) {
        scoped(mem_release) char *text =
            mem_format("expired on %s", cert_date_text(leaf->not_after, date));
        finding = add(inquest, FINDING_BAD, text);
        finding_hint(finding, "renew it, and see why the renewal did not run (certbot renew, the "
                              "log of the ACME client); then reload the server");
    } else if (leaf->not_before > now) {
        scoped(mem_release) char *text =
            mem_format("is not valid before %s", cert_date_text(leaf->not_before, date));
        finding = add(inquest, FINDING_BAD, text);
        finding_hint(finding, "set the clock of the machine that issued it, or of this one");
    } else if (cert_renew_at(leaf) < now) {
        scoped(mem_release) char *text = mem_format("ends on %s, in %lld day%s: its renewal is due",
                                                    cert_date_text(leaf->not_after, date),
                                                    (long long)days, days == 1 ? "" : "s");
        finding = add(inquest, FINDING_WARNING, text);
        finding_hint(finding,
                     "renew it now, and see that the renewal runs by itself: it should when "
                     "a third of the lifetime remains");
    }
}

/* ---- trust ---- */

static void judge_incomplete(const struct inquest *inquest)
{
    const struct cert_judgement *judgement = inquest->judgement;
    scoped(mem_release) char *issuer = short_name(judgement->missing ? judgement->missing : "?");
    scoped(mem_release) char *text =
        judgement->missing_url
            ? mem_format("the chain is incomplete: the server sends %zu certificate%s, but not the "
                         "issuer \"%s\"",
                         judgement->sent, judgement->sent == 1 ? "" : "s", issuer)
            : mem_format("its issuer \"%s\" is neither sent by the server nor known to this "
                         "machine: the chain is incomplete, or the authority is a private one",
                         issuer);
    struct finding *finding = add(inquest, FINDING_BAD, text);

    if (judgement->missing)
        finding_fact(finding, "missing", foreign_json(judgement->missing));
    if (judgement->missing_url) {
        finding_fact(finding, "missing_url", json_string(judgement->missing_url));
        finding_hint(finding,
                     "let the server send the intermediate too (fullchain.pem instead of "
                     "cert.pem); it can be had at %s",
                     judgement->missing_url);
    } else {
        finding_hint(finding,
                     "let the server send the intermediates too (fullchain.pem instead of "
                     "cert.pem); a private authority must be put into each visitor's store");
    }
}

static void judge_trust(const struct inquest *inquest)
{
    const struct cert_judgement *judgement = inquest->judgement;
    struct finding *finding = NULL;

    if (judgement->local_ca &&
        judgement->faults & (CERT_FAULT_UNKNOWN_ROOT | CERT_FAULT_INCOMPLETE)) {
        finding =
            add(inquest, FINDING_BAD,
                "issued by gardien's local CA of this machine, which its programs do not trust");
        finding_hint(finding, "run `gardien cert trust`; for visitors elsewhere, get a certificate "
                              "from a public authority");
    } else if (judgement->faults & CERT_FAULT_SELF_SIGNED) {
        finding = add(inquest, FINDING_BAD,
                      "self-signed: it vouches for itself, so browsers warn every visitor");
        finding_hint(finding, "get a certificate from a public authority, such as Let's Encrypt");
    } else if (judgement->faults & CERT_FAULT_INCOMPLETE) {
        judge_incomplete(inquest);
    } else if (judgement->faults & CERT_FAULT_UNKNOWN_ROOT) {
        scoped(mem_release) char *root = short_name(judgement->missing ? judgement->missing : "?");
        scoped(mem_release) char *text =
            mem_format("its chain ends at \"%s\", which this machine does not trust", root);
        finding = add(inquest, FINDING_BAD, text);
        finding_hint(finding, "for a public site, get a certificate from a public authority; a "
                              "private authority must be put into each visitor's store");
    }
}

static void judge_rest(const struct inquest *inquest)
{
    const struct cert_judgement *judgement = inquest->judgement;
    scoped(mem_release) char *who =
        judgement->faulty ? short_name(judgement->faulty) : mem_string(SPAN("the certificate"));

    if (judgement->faulty && judgement->faults & (CERT_FAULT_EXPIRED | CERT_FAULT_NOT_YET)) {
        scoped(mem_release) char *text =
            mem_format("its issuer's certificate \"%s\" is out of date", who);
        finding_hint(add(inquest, FINDING_BAD, text),
                     "let the server send the issuer's current certificate: renew, and use the "
                     "fullchain.pem that comes with it");
    }
    if (judgement->faults & CERT_FAULT_PURPOSE) {
        scoped(mem_release) char *text = mem_format("%s may not be used for this", who);
        finding_hint(add(inquest, FINDING_BAD, text),
                     "get a certificate for TLS servers from an authority that may issue them");
    }
    if (judgement->faults & CERT_FAULT_WEAK) {
        scoped(mem_release) char *text = mem_format("%s has a key or a signature too weak", who);
        finding_hint(add(inquest, FINDING_BAD, text),
                     "get one with ECDSA P-256 or RSA of 2048 bits or more, signed with SHA-256");
    }
    if (judgement->faults & CERT_FAULT_OTHER) {
        scoped(mem_release) char *text = mem_format(
            "is not accepted: %s", judgement->other ? judgement->other : "the library gave up");
        finding_hint(add(inquest, FINDING_BAD, text), "get a new certificate from the authority");
    }
    if (!inquest->chain->ordered && judgement->trusted)
        finding_hint(add(inquest, FINDING_NOTE,
                         "the chain is sent in the wrong order, or with certificates of others; "
                         "most clients sort it out"),
                     "send the leaf first, then each one's issuer");
}

/* ---- revocation ---- */

/* What the authority itself was asked, when it was about this certificate. NULL: nothing. */
static const struct revocation *asked_of(const struct inquest *inquest)
{
    const struct check *check = inquest->check;
    struct span chain = buffer_span(&inquest->probe->tls->chain);

    return check->revocation && check->revocation->begun &&
                   span_equal(chain, span_str(check->revocation_chain))
               ? check->revocation
               : NULL;
}

static const char *source_of(const struct inquest *inquest)
{
    const struct revocation *asked = asked_of(inquest);

    if (inquest->probe->tls->stapled)
        return "stapled";
    if (!asked || !asked->done || asked->result < 0)
        return "not looked up";
    return asked->said.source == CERT_REVOCATION_OCSP ? "ocsp" : "crl";
}

static void tell_revoked(const struct inquest *inquest)
{
    finding_hint(add(inquest, FINDING_BAD, "revoked: the authority took it back"),
                 "get a new certificate with a new key, and find out why it was revoked");
}

static void judge_asked(const struct inquest *inquest)
{
    const struct revocation *asked = asked_of(inquest);

    if (!asked || !asked->done || asked->result < 0)
        return; /* the line about the certificate says so */
    if (asked->said.status == CERT_OCSP_REVOKED)
        tell_revoked(inquest);
    else if (asked->said.status == CERT_OCSP_UNKNOWN)
        finding_hint(add(inquest, FINDING_WARNING, "its authority says that it does not know it"),
                     "a certificate of minutes ago may not be known yet; else get a new one");
    else
        add(inquest, FINDING_GOOD,
            asked->said.source == CERT_REVOCATION_OCSP
                ? "not revoked, by the authority's responder (OCSP)"
                : "not revoked, by the authority's list (CRL)");
}

static void judge_staple(const struct inquest *inquest)
{
    const struct tls_client_facts *tls = inquest->probe->tls;
    const struct cert_info *leaf = &inquest->chain->items[0];
    struct cert_ocsp ocsp;
    const char *why = NULL;

    if (!tls->stapled) {
        if (leaf->must_staple)
            finding_hint(add(inquest, FINDING_BAD,
                             "demands a stapled OCSP response, and the server sends none"),
                         "switch OCSP stapling on in the server's settings");
        judge_asked(inquest);
        return;
    }
    int r = cert_ocsp_read(buffer_span(&tls->chain), buffer_span(&tls->staple),
                           inquest->check->options->wall, &ocsp, &why);
    if (r < 0) {
        scoped(mem_release) char *text =
            mem_format("the stapled OCSP response cannot be used: %s", why ? why : error_text(r));
        finding_hint(add(inquest, FINDING_WARNING, text),
                     "let the server fetch a new one; see that it can reach the authority's "
                     "responder, and its clock");
    } else if (ocsp.status == CERT_OCSP_REVOKED) {
        tell_revoked(inquest);
    } else if (ocsp.status == CERT_OCSP_GOOD) {
        add(inquest, FINDING_GOOD, "not revoked, by the OCSP response that the server staples");
    }
}

/* ---- may its issuer go on issuing? ---- */

static const struct {
    const char *domain, *issuer;
} authorities[] = {
    {"letsencrypt.org", "O=Let's Encrypt"},
    {"pki.goog", "O=Google Trust Services"},
    {"digicert.com", "O=DigiCert"},
    {"sectigo.com", "O=Sectigo"},
    {"sectigo.com", "O=ZeroSSL"},
    {"globalsign.com", "O=GlobalSign"},
    {"amazon.com", "O=Amazon"},
    {"ssl.com", "O=SSL Corp"},
    {"buypass.com", "O=Buypass"},
    {"entrust.net", "O=Entrust"},
    {"godaddy.com", "O=GoDaddy"},
    {"actalis.it", "O=Actalis"},
};

static bool caa_allows(const struct dns_answer *answer, const char *domain)
{
    bool any = false;

    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];
        struct span rest, issuer;
        if (record->type != DNS_CAA || strncmp(record->caa.tag, "issue", 5) != 0)
            continue;
        any = true;
        rest = span_str(record->caa.value);
        if (span_next(&rest, ';', &issuer) &&
            span_equal_nocase(span_trim(issuer), span_str(domain)))
            return true;
    }
    return !any;
}

static void judge_caa(const struct inquest *inquest)
{
    const struct dns_answer *answer = names_caa(&inquest->check->names);
    const char *issuer = inquest->chain->items[0].issuer;
    const char *domain = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(authorities); i++) {
        if (!strstr(issuer, authorities[i].issuer))
            continue;
        domain = authorities[i].domain;
        if (!answer || caa_allows(answer, domain))
            return;
    }
    if (!domain || !answer)
        return;
    struct finding *finding = findings_add(
        &inquest->result->findings, FINDING_WARNING, "caa",
        "the CAA records do not let its issuer (%s) issue: its renewal will fail", domain);
    finding_subject(finding, "%s", inquest->check->options->target->host);
    finding_hint(finding, "add the record: CAA 0 issue \"%s\"", domain);
}

/* ---- all of it ---- */

static json_t *chain_json(const struct cert_chain *chain)
{
    json_t *list = json_array();

    for (size_t i = 0; i < chain->count; i++)
        json_array_append_new(list, foreign_json(chain->items[i].subject));
    return list;
}

static void add_facts(const struct inquest *inquest, struct finding *finding)
{
    const struct cert_info *leaf = &inquest->chain->items[0];
    char from[CERT_DATE_TEXT], until[CERT_DATE_TEXT], print[CERT_FINGERPRINT_TEXT];
    json_t *names = json_array();

    for (size_t i = 0; i < leaf->name_count; i++)
        json_array_append_new(names, foreign_json(leaf->names[i]));
    finding_fact(finding, "names", names);
    finding_fact(finding, "not_before", json_string(cert_date_text(leaf->not_before, from)));
    finding_fact(finding, "not_after", json_string(cert_date_text(leaf->not_after, until)));
    finding_fact(finding, "key", json_string(leaf->key_text));
    finding_fact(finding, "issuer", foreign_json(leaf->issuer));
    finding_fact(finding, "serial", json_string(leaf->serial));
    finding_fact(finding, "sha256", json_string(cert_fingerprint_text(leaf, print)));
    finding_fact(finding, "sent", chain_json(inquest->chain));
    finding_fact(finding, "needed", json_integer((json_int_t)inquest->judgement->needed));
    finding_fact(finding, "sends_root", json_boolean(inquest->judgement->sent_root));
    finding_fact(finding, "trusted", json_boolean(inquest->judgement->trusted));
    if (inquest->judgement->anchor)
        finding_fact(finding, "root", foreign_json(inquest->judgement->anchor));
    finding_fact(finding, "revocation", json_string(source_of(inquest)));
}

/* "; revocation not looked up: …", or "" when it was; for free() */
static char *why_unasked(const struct inquest *inquest)
{
    const struct revocation *asked = asked_of(inquest);

    if (strcmp(source_of(inquest), "not looked up") != 0)
        return mem_string(SPAN(""));
    if (!asked)
        return mem_string(SPAN("; revocation not looked up"));
    return mem_format("; revocation not looked up: %s",
                      asked->done ? asked->why : "the authority does not answer in time");
}

static void conclude(const struct inquest *inquest, enum finding_grade worst)
{
    const struct cert_info *leaf = &inquest->chain->items[0];
    const struct cert_judgement *judgement = inquest->judgement;
    scoped(mem_release) char *names = names_text(leaf);
    scoped(mem_release) char *issuer = short_name(leaf->issuer);
    scoped(mem_release) char *root = short_name(judgement->anchor ? judgement->anchor : "");
    scoped(mem_release) char *unasked = why_unasked(inquest);
    char date[CERT_DATE_TEXT];
    int64_t days = (leaf->not_after - inquest->check->options->wall) / DAY;
    scoped(mem_release) char *text = mem_format(
        "for %s; %s; until %s (%lld days); from %s%s%s%s", *names ? names : "no name",
        leaf->key_text, cert_date_text(leaf->not_after, date), (long long)days, issuer,
        judgement->trusted ? "; trusted by way of " : "", judgement->trusted ? root : "", unasked);

    add_facts(inquest, add(inquest, worst >= FINDING_WARNING ? FINDING_NOTE : FINDING_GOOD, text));
}

static enum finding_grade worst_since(const struct findings *findings, size_t start)
{
    enum finding_grade worst = FINDING_GOOD;

    for (size_t i = start; i < findings->count; i++)
        if (findings->items[i].grade > worst)
            worst = findings->items[i].grade;
    return worst;
}

static void judge_all_of(struct inquest *inquest)
{
    judge_names(inquest);
    judge_dates(inquest);
    judge_trust(inquest);
    judge_rest(inquest);
    judge_staple(inquest);
    bool fits = !inquest->host || cert_matches(&inquest->chain->items[0], span_str(inquest->host));
    if (inquest->result->metrics.trusted != 0)
        inquest->result->metrics.trusted = inquest->judgement->trusted && fits;
}

/* @return whether there is a certificate to judge; then both are to be finished */
static bool read_certificate(struct inquest *inquest, struct cert_chain *ret_chain,
                             struct cert_judgement *ret_judgement)
{
    struct span pem = buffer_span(&inquest->probe->tls->chain);
    struct span local_ca = inquest->check->options->local_ca;

    *ret_chain = (struct cert_chain){NULL};
    inquest->chain = ret_chain;
    inquest->judgement = ret_judgement;
    if (cert_chain_parse(pem, ret_chain) == 0 &&
        cert_judge(pem, local_ca, inquest->check->options->wall, ret_judgement) == 0)
        return true;
    finding_hint(add(inquest, FINDING_BAD, "cannot be read"),
                 "get a new certificate; this one is damaged, or its chain has more than 32");
    cert_chain_finish(ret_chain);
    return false;
}

void judge_certificate(const struct check *check, const struct endpoint *endpoint,
                       struct check_result *result)
{
    scoped(mem_release) char *subject = endpoint_subject(check, endpoint);
    const struct check_options *options = check->options;
    struct cert_chain chain;
    struct cert_judgement judgement;
    size_t start = result->findings.count;
    struct inquest inquest = {.check = check,
                              .probe = &endpoint->main,
                              .host = options->any_name ? NULL : options->target->host,
                              .subject = subject,
                              .result = result};

    if (!read_certificate(&inquest, &chain, &judgement))
        return;
    judge_all_of(&inquest);
    conclude(&inquest, worst_since(&result->findings, start));
    judge_caa(&inquest);
    cert_judgement_finish(&judgement);
    cert_chain_finish(&chain);
}

/* Has this chain been judged for this host? */
static bool was_judged(const struct check *check, const struct hop *hop)
{
    struct span chain = buffer_span(&hop->probe.tls->chain);
    const struct tls_client_facts *first = check->first ? check->first->main.tls : NULL;

    if (first && strcmp(hop->target.host, check->options->target->host) == 0 &&
        span_equal(chain, buffer_span(&first->chain)))
        return true;
    for (const struct hop *other = check->hops; other < hop; other++)
        if (other->probe.tls && strcmp(hop->target.host, other->target.host) == 0 &&
            span_equal(chain, buffer_span(&other->probe.tls->chain)))
            return true;
    return false;
}

void judge_hop_certificate(const struct check *check, const struct hop *hop,
                           struct check_result *result)
{
    struct cert_chain chain;
    struct cert_judgement judgement;
    struct inquest inquest = {.check = check,
                              .probe = &hop->probe,
                              .host = hop->target.host,
                              .subject = hop->authority,
                              .result = result};

    if (!hop->https || !hop->probe.tls || hop->probe.tls->chain.len == 0 ||
        was_judged(check, hop) || !read_certificate(&inquest, &chain, &judgement))
        return;
    judge_all_of(&inquest);
    cert_judgement_finish(&judgement);
    cert_chain_finish(&chain);
}
