/* One certificate from an ACME server.
 *
 * acme_order_run → open_order → validate (each name) → finalize → download */
#include "cert/acme/order.h"

#include <jansson.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/mem.h"
#include "cert/acme/names.h"
#include "cert/info.h"
#include "cert/x509.h"
#include "tls/tls.h"

#define POLL_FIRST (500 * NSEC_PER_MSEC)
#define POLL_MAX (10 * NSEC_PER_SEC)
#define PAUSE_MAX (24 * 3600 * NSEC_PER_SEC)

enum { CSR_MAX = 16 << 10 };

struct work {
    const struct acme_order_request *request;
    struct acme_failure *failure;
    char *url; /* the order's */
    struct acme_order order;
};

/* ---- waiting ---- */

/** Sleeps before the next look: as long as the server says, else ever longer. */
static int pause_before(struct work *work, nsec_t retry_after, unsigned looks)
{
    const struct acme_order_request *request = work->request;
    nsec_t wait = POLL_FIRST << (looks < 5 ? looks : 5);
    nsec_t left = request->deadline - nsec_monotonic();

    if (retry_after)
        wait = retry_after - nsec_realtime();
    wait = wait < POLL_FIRST ? POLL_FIRST : wait > PAUSE_MAX ? PAUSE_MAX : wait;
    if (!retry_after && wait > POLL_MAX)
        wait = POLL_MAX;
    if (wait > left) {
        acme_fail(work->failure, ERR_TIMEOUT,
                  "the certificate authority did not get done in time; the order is kept");
        work->failure->retry_after = retry_after;
        return ERR_TIMEOUT;
    }
    int r = request->ops->pause(request->owner, wait);
    if (r < 0)
        acme_fail(work->failure, r, "interrupted; the order is kept");
    return r;
}

/* ---- the order ---- */

/** POST-as-GET of a document. @return 0 with the answer, or an error */
static int fetch(struct work *work, const char *url, struct acme_answer *ret_answer)
{
    return acme_client_post(work->request->client, url, SPAN(""), work->failure, ret_answer);
}

/** Reads an order out of an answer into work->order. */
static int take_order(struct work *work, const struct acme_answer *answer)
{
    struct acme_order order;

    int r = acme_order_read(buffer_span(&answer->body), &order);
    if (r < 0) {
        acme_fail(work->failure, r, "the certificate authority's answer is not an order");
        return r;
    }
    acme_order_finish(&work->order);
    work->order = order;
    return 0;
}

/** Looks at the order again. @param ret_retry  the server's Retry-After, or 0 */
static int look(struct work *work, nsec_t *ret_retry)
{
    struct acme_answer answer = {0};

    int r = fetch(work, work->url, &answer);
    if (r < 0)
        return r;
    r = take_order(work, &answer);
    *ret_retry = answer.retry_after;
    acme_answer_finish(&answer);
    return r;
}

static char *order_payload(const struct acme_order_request *request, const char *replaces)
{
    json_t *names = json_array();

    for (size_t i = 0; i < request->name_count; i++)
        json_array_append_new(
            names, json_pack("{s:s, s:s}", "type",
                             acme_name_is_address(span_str(request->names[i])) ? "ip" : "dns",
                             "value", request->names[i]));
    json_t *order = json_pack("{s:o}", "identifiers", names);
    if (request->profile)
        json_object_set_new(order, "profile", json_string(request->profile));
    if (replaces)
        json_object_set_new(order, "replaces", json_string(replaces));
    char *text = json_dumps(order, JSON_COMPACT);
    json_decref(order);
    return text;
}

static int post_order(struct work *work, const char *replaces, struct acme_answer *ret_answer)
{
    const struct acme_order_request *request = work->request;
    scoped(mem_release) char *payload = order_payload(request, replaces);

    return acme_client_post(request->client, acme_client_directory(request->client)->new_order,
                            span_str(payload), work->failure, ret_answer);
}

/* A refused `replaces` (replaced already, or another account's) must not end renewals: asked once
 * more without it. */
static int new_order(struct work *work)
{
    const struct acme_order_request *request = work->request;
    struct acme_answer answer = {0};

    request->ops->progress(request->owner, ACME_STEP_ORDER, "");
    int r = post_order(work, request->replaces, &answer);
    bool limited = strcmp(work->failure->type, "rateLimited") == 0;
    if (r == ERR_PROTOCOL && request->replaces && !limited)
        r = post_order(work, NULL, &answer);
    if (r < 0)
        return r;
    if (!answer.location || strncmp(answer.location, "https://", 8) != 0) {
        acme_fail(work->failure, ERR_SYNTAX,
                  "the certificate authority sends no URL for the order");
        r = ERR_SYNTAX;
    }
    if (r == 0)
        r = take_order(work, &answer);
    if (r == 0) {
        work->url = mem_string(span_str(answer.location));
        r = request->ops->save_order(request->owner, work->url);
        if (r < 0)
            acme_fail(work->failure, r, "the order cannot be kept: %s", error_text(r));
    }
    acme_answer_finish(&answer);
    return r;
}

/** Goes on with the order that was kept, if it is still of use, else makes one. */
static int open_order(struct work *work)
{
    const struct acme_order_request *request = work->request;
    nsec_t retry;

    if (!request->order_url)
        return new_order(work);
    work->url = mem_string(span_str(request->order_url));
    int r = look(work, &retry);
    if (r == 0 && work->order.status != ACME_INVALID)
        return 0;
    if (r < 0 && r != ERR_PROTOCOL && r != ERR_SYNTAX)
        return r; /* the server was not reached: the order may be good */
    if (r == ERR_PROTOCOL && (work->failure->status == 429 || work->failure->status >= 500))
        return r;
    request->ops->forget_order(request->owner);
    free(take(work->url));
    return new_order(work);
}

/* ---- challenges ---- */

/** The first challenge of a type that can be answered, in the order of preference. */
static const struct acme_challenge *choose(const struct work *work,
                                           const struct acme_authorization *authorization)
{
    static const enum acme_challenge_type preference[] = {ACME_HTTP_01, ACME_TLS_ALPN_01,
                                                          ACME_DNS_01};

    for (size_t p = 0; p < ARRAY_SIZE(preference); p++) {
        if (!(work->request->challenge_types & 1u << preference[p]))
            continue;
        for (size_t i = 0; i < authorization->challenge_count; i++)
            if (authorization->challenges[i].type == preference[p])
                return &authorization->challenges[i];
    }
    return NULL;
}

static void fail_authorization(struct work *work, const struct acme_authorization *authorization)
{
    char what[300];

    snprintf(what, sizeof what, "%s could not be validated", authorization->name);
    for (size_t i = 0; i < authorization->challenge_count; i++) {
        if (!authorization->challenges[i].error.type)
            continue;
        acme_fail_problem(work->failure, &authorization->challenges[i].error, what);
        return;
    }
    acme_fail(work->failure, ERR_PROTOCOL, "%s", what);
}

/** Looks at an authorization until it is decided. */
static int await_authorization(struct work *work, const char *url)
{
    for (unsigned looks = 0;; looks++) {
        struct acme_authorization authorization;
        struct acme_answer answer = {0};
        int r = fetch(work, url, &answer);
        if (r < 0)
            return r;
        r = acme_authorization_read(buffer_span(&answer.body), &authorization);
        nsec_t retry = answer.retry_after;
        acme_answer_finish(&answer);
        if (r < 0) {
            acme_fail(work->failure, r, "the certificate authority's answer is no authorization");
            return r;
        }
        enum acme_status status = authorization.status;
        if (status != ACME_PENDING && status != ACME_PROCESSING && status != ACME_VALID) {
            fail_authorization(work, &authorization);
            r = ERR_PROTOCOL;
        }
        acme_authorization_finish(&authorization);
        if (r < 0 || status == ACME_VALID)
            return r;
        r = pause_before(work, retry, looks);
        if (r < 0)
            return r;
    }
}

/** Publishes the answer, tells the server, waits for its judgement, and takes the answer back. */
static int answer_challenge(struct work *work, const struct acme_authorization *authorization,
                            const char *url, const struct acme_challenge *challenge)
{
    const struct acme_order_request *request = work->request;
    scoped(mem_release) char *text =
        mem_format("%s.%s", challenge->token, acme_client_thumbprint(request->client));
    const struct acme_token token = {challenge->type, authorization->name, challenge->token, text};
    struct acme_answer answer = {0};

    request->ops->progress(request->owner, ACME_STEP_CHALLENGE, authorization->name);
    int r = request->ops->publish(request->owner, &token);
    if (r < 0) {
        acme_fail(work->failure, r, "the challenge of %s cannot be answered: %s",
                  authorization->name, error_text(r));
        return r;
    }
    if (challenge->status == ACME_PENDING) /* else the server looks already */
        r = acme_client_post(request->client, challenge->url, SPAN("{}"), work->failure, &answer);
    acme_answer_finish(&answer);
    if (r == 0)
        r = await_authorization(work, url);
    request->ops->withdraw(request->owner, &token);
    if (r == 0)
        request->ops->progress(request->owner, ACME_STEP_VALIDATED, authorization->name);
    return r;
}

static int validate(struct work *work, const char *url)
{
    struct acme_authorization authorization;
    struct acme_answer answer = {0};

    int r = fetch(work, url, &answer);
    if (r < 0)
        return r;
    r = acme_authorization_read(buffer_span(&answer.body), &authorization);
    acme_answer_finish(&answer);
    if (r < 0) {
        acme_fail(work->failure, r, "the certificate authority's answer is no authorization");
        return r;
    }
    const struct acme_challenge *challenge = choose(work, &authorization);
    if (authorization.status == ACME_VALID) {
        r = 0;
    } else if (authorization.status != ACME_PENDING) {
        fail_authorization(work, &authorization);
        r = ERR_PROTOCOL;
    } else if (!challenge) {
        acme_fail(work->failure, ERR_PROTOCOL,
                  "the certificate authority offers no way to validate %s%s that can be used here",
                  authorization.wildcard ? "*." : "", authorization.name);
        r = ERR_PROTOCOL;
    } else {
        r = answer_challenge(work, &authorization, url, challenge);
    }
    acme_authorization_finish(&authorization);
    return r;
}

/* ---- the certificate ---- */

static char *finalize_payload(struct work *work)
{
    const struct acme_order_request *request = work->request;
    struct buffer names = buffer_make(ACME_NAMES_MAX * 256), csr = buffer_make(CSR_MAX);
    char *payload = NULL;
    int r = 0;

    for (size_t i = 0; r == 0 && i < request->name_count; i++)
        r = buffer_printf(&names, "%s\n", request->names[i]);
    if (r == 0)
        r = keys_remote_csr(request->keys, request->certificate_key, buffer_span(&names),
                            request->common_name, &csr);
    if (r < 0) {
        acme_fail(work->failure, r, "the keys process made no certificate request: %s",
                  r == ERR_TLS ? tls_last_error() : error_text(r));
    } else {
        scoped(mem_release) char *text = mem_alloc(base64url_size(csr.len));
        size_t len = base64url_encode(buffer_span(&csr), text);
        payload = mem_format("{\"csr\":\"%.*s\"}", (int)len, text);
    }
    buffer_finish(&names);
    buffer_finish(&csr);
    return payload;
}

static int finalize(struct work *work)
{
    const struct acme_order_request *request = work->request;
    scoped(mem_release) char *payload = finalize_payload(work);
    struct acme_answer answer = {0};

    if (!payload)
        return work->failure->error;
    request->ops->progress(request->owner, ACME_STEP_FINALIZE, "");
    int r = acme_client_post(request->client, work->order.finalize, span_str(payload),
                             work->failure, &answer);
    if (r < 0) /* not ready yet is no refusal: the order says when it is (RFC 8555 section 7.4) */
        return strcmp(work->failure->type, "orderNotReady") == 0 ? 0 : r;
    r = take_order(work, &answer);
    acme_answer_finish(&answer);
    return r;
}

/** Drives the order from whatever state it is in until it is valid. */
static int await_certificate(struct work *work)
{
    bool finalized = false;

    for (unsigned looks = 0;; looks++) {
        nsec_t retry = 0;
        int r = 0;
        if (work->order.status == ACME_VALID)
            return 0;
        if (work->order.status == ACME_INVALID) {
            acme_fail_problem(work->failure, &work->order.error, "the order failed");
            return ERR_PROTOCOL;
        }
        if (work->order.status == ACME_READY && !finalized) {
            finalized = true;
            r = finalize(work);
            if (r == 0 && work->order.status == ACME_VALID)
                return 0;
        }
        if (r == 0)
            r = pause_before(work, retry, looks);
        if (r == 0)
            r = look(work, &retry);
        if (r < 0)
            return r;
        if (work->order.status == ACME_READY && looks > 2)
            finalized = false; /* what was sent was not taken: once more */
    }
}

/** A chain that stands for all names that were asked for. */
static int check_chain(struct work *work, struct span pem)
{
    const struct acme_order_request *request = work->request;
    struct cert_chain chain = {NULL};

    int r = cert_chain_parse(pem, &chain);
    if (r < 0)
        acme_fail(work->failure, r, "the certificate authority sent no certificate");
    for (size_t i = 0; r == 0 && i < request->name_count; i++) {
        if (cert_matches(&chain.items[0], span_str(request->names[i])))
            continue;
        acme_fail(work->failure, ERR_PROTOCOL, "the certificate that came does not stand for %s",
                  request->names[i]);
        r = ERR_PROTOCOL;
    }
    cert_chain_finish(&chain);
    return r;
}

static int download(struct work *work, char **ret_chain_pem)
{
    const struct acme_order_request *request = work->request;
    struct acme_answer answer = {0};

    request->ops->progress(request->owner, ACME_STEP_DOWNLOAD, "");
    int r = fetch(work, work->order.certificate, &answer);
    if (r < 0)
        return r;
    r = check_chain(work, buffer_span(&answer.body));
    if (r == 0)
        *ret_chain_pem = mem_string(buffer_span(&answer.body));
    acme_answer_finish(&answer);
    return r;
}

int acme_order_run(const struct acme_order_request *request, struct acme_failure *failure,
                   char **ret_chain_pem)
{
    struct work work = {.request = request, .failure = failure};

    int r = open_order(&work);
    for (size_t i = 0;
         r == 0 && work.order.status == ACME_PENDING && i < work.order.authorization_count; i++)
        r = validate(&work, work.order.authorizations[i]);
    if (r == 0)
        r = await_certificate(&work);
    if (r == 0)
        r = download(&work, ret_chain_pem);
    if (r == ERR_PROTOCOL && failure->status != 429 && failure->status < 500)
        request->ops->forget_order(request->owner);
    acme_order_finish(&work.order);
    free(work.url);
    return r;
}

/* ---- the id of a certificate ---- */

static char *encode(const ASN1_OCTET_STRING *string)
{
    struct span bytes =
        span_of((const char *)ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
    char *text = mem_alloc(base64url_size(bytes.len) + 1);

    text[base64url_encode(bytes, text)] = '\0';
    return text;
}

/** The serial number's DER content: with a zero in front when its first bit is set. */
static char *encode_serial(const X509 *cert)
{
    unsigned char *der = NULL;
    char *text = NULL;

    int len = i2d_ASN1_INTEGER((ASN1_INTEGER *)X509_get0_serialNumber(cert), &der);
    if (len > 2) {
        struct span bytes = span_of((const char *)der + 2, (size_t)len - 2);
        text = mem_alloc(base64url_size(bytes.len) + 1);
        text[base64url_encode(bytes, text)] = '\0';
    }
    OPENSSL_free(der);
    return text;
}

char *acme_certificate_id(struct span chain_pem)
{
    X509 *certs[CERT_CHAIN_MAX];
    char *id = NULL;

    int count = x509_parse(chain_pem, certs);
    if (count < 0)
        return NULL;
    const ASN1_OCTET_STRING *authority = X509_get0_authority_key_id(certs[0]);
    scoped(mem_release) char *serial = encode_serial(certs[0]);
    if (authority && serial) {
        scoped(mem_release) char *key = encode(authority);
        id = mem_format("%s.%s", key, serial);
    }
    x509_free_all(certs, count);
    return id;
}
