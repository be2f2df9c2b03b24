/* OCSP requests and the judging of answers. */
#include "cert/ocsp.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cert/x509.h"

#define HOUR (3600 * NSEC_PER_SEC)
#define DAY (24 * HOUR)
#define CLOCK_SKEW (300 * NSEC_PER_SEC) /* what a responder's clock may be ahead of ours */
#define ASK_AGAIN_MIN (300 * NSEC_PER_SEC)
#define ASK_AGAIN_MAX (7 * DAY)

/* ---- whom it is about ---- */

struct subject {
    X509 *certs[CERT_CHAIN_MAX];
    int count;
    X509 *issuer;
    OCSP_CERTID *id;
};

static void subject_finish(struct subject *subject)
{
    OCSP_CERTID_free(subject->id);
    x509_free_all(subject->certs, subject->count);
    ERR_clear_error();
}

/* @return 0; ERR_NOT_FOUND without the issuer; ERR_SYNTAX, ERR_LIMIT */
static int subject_init(struct span chain_pem, struct subject *subject)
{
    *subject = (struct subject){.count = 0};
    int r = x509_parse(chain_pem, subject->certs);
    if (r < 0)
        return r;
    subject->count = r;
    for (int i = 1; !subject->issuer && i < subject->count; i++)
        if (x509_signed_by(subject->certs[0], subject->certs[i]))
            subject->issuer = subject->certs[i];
    if (!subject->issuer)
        return ERR_NOT_FOUND;
    subject->id = OCSP_cert_to_id(EVP_sha1(), subject->certs[0], subject->issuer);
    return subject->id ? 0 : ERR_SYNTAX;
}

/* ---- the question ---- */

static char *responder(X509 *cert)
{
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(cert);
    char *found = NULL;

    for (int i = 0; !found && i < sk_OPENSSL_STRING_num(urls); i++) {
        struct span url = span_str(sk_OPENSSL_STRING_value(urls, i));
        if (url.len > 7 && span_equal_nocase(span_of(url.ptr, 7), SPAN("http://")))
            found = mem_string(url);
    }
    X509_email_free(urls);
    return found;
}

static int encode(OCSP_REQUEST *request, struct buffer *out)
{
    unsigned char *der = NULL;
    int len = i2d_OCSP_REQUEST(request, &der);
    int r = len > 0 ? buffer_append(out, der, (size_t)len) : ERR_SYNTAX;

    OPENSSL_free(der);
    return r;
}

int cert_ocsp_request(struct span chain_pem, struct buffer *ret_request, char **ret_url)
{
    scoped(subject_finish) struct subject subject;
    struct buffer der = buffer_make(CERT_OCSP_MAX);

    int r = subject_init(chain_pem, &subject);
    if (r < 0)
        return r;
    scoped(mem_release) char *url = responder(subject.certs[0]);
    if (!url)
        return ERR_NOT_FOUND;
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    if (!request || !OCSP_request_add0_id(request, subject.id))
        abort(); /* only memory can fail here */
    subject.id = NULL;
    r = encode(request, &der);
    OCSP_REQUEST_free(request);
    if (r < 0) {
        buffer_finish(&der);
        return r;
    }
    *ret_request = der;
    *ret_url = take(url);
    return 0;
}

/* ---- the answer ---- */

static void release_response(OCSP_RESPONSE **response)
{
    OCSP_RESPONSE_free(*response);
}

static void release_basic(OCSP_BASICRESP **basic)
{
    OCSP_BASICRESP_free(*basic);
}

static const char *refusal(int status)
{
    switch (status) {
    case OCSP_RESPONSE_STATUS_TRYLATER:
        return "the responder says: try later";
    case OCSP_RESPONSE_STATUS_INTERNALERROR:
        return "the responder says: internal error";
    case OCSP_RESPONSE_STATUS_UNAUTHORIZED:
        return "the responder does not answer for this certificate";
    default:
        return "the responder refuses the request";
    }
}

/* The issuer is where trust begins, whatever is above it; a certificate that it made for the
 * responder counts as well. */
static bool verify(OCSP_BASICRESP *basic, X509 *issuer, nsec_t now)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *known = sk_X509_new_null();

    if (!store || !known || !sk_X509_push(known, issuer) || !X509_STORE_add_cert(store, issuer))
        abort(); /* only memory can fail here */
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), now / NSEC_PER_SEC);
    bool fine = OCSP_basic_verify(basic, known, store, 0) == 1;
    sk_X509_free(known);
    X509_STORE_free(store);
    return fine;
}

/* Half of its life later, but hardly more than once an hour: a responder that wants to be asked
 * more often has its way only where its answers end sooner. */
static nsec_t refresh_at(nsec_t now, nsec_t this_update, nsec_t expires_at)
{
    nsec_t at = this_update + (expires_at - this_update) / 2;

    if (at < now + HOUR)
        at = now + HOUR;
    if (at >= expires_at)
        at = now + (expires_at - now) / 2;
    if (at < now + ASK_AGAIN_MIN)
        at = now + ASK_AGAIN_MIN;
    return at < now + ASK_AGAIN_MAX ? at : now + ASK_AGAIN_MAX;
}

static int judge(OCSP_BASICRESP *basic, OCSP_CERTID *id, nsec_t now, struct cert_ocsp *ret_ocsp,
                 const char **ret_why)
{
    ASN1_GENERALIZEDTIME *this_text = NULL, *next_text = NULL;
    int status, reason;

    *ret_why = "the responder's answer is about another certificate";
    if (OCSP_resp_find_status(basic, id, &status, &reason, NULL, &this_text, &next_text) != 1)
        return ERR_NOT_FOUND;
    nsec_t this_update = x509_time(this_text);
    nsec_t expires_at = next_text ? x509_time(next_text) : this_update;
    if (!next_text && this_update < INT64_MAX - DAY)
        expires_at += DAY;
    *ret_why = "the responder's answer is of the future: is one of the clocks wrong?";
    if (this_update <= 0 || this_update - CLOCK_SKEW > now)
        return ERR_TIMEOUT;
    *ret_why = "the responder's answer is too old";
    if (expires_at <= now || expires_at < this_update)
        return ERR_TIMEOUT;
    ret_ocsp->status = status == V_OCSP_CERTSTATUS_GOOD      ? CERT_OCSP_GOOD
                       : status == V_OCSP_CERTSTATUS_REVOKED ? CERT_OCSP_REVOKED
                                                             : CERT_OCSP_UNKNOWN;
    ret_ocsp->expires_at = expires_at;
    ret_ocsp->refresh_at = refresh_at(now, this_update, expires_at);
    return 0;
}

static OCSP_RESPONSE *parse(struct span der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    OCSP_RESPONSE *response = der.len ? d2i_OCSP_RESPONSE(NULL, &at, (long)der.len) : NULL;

    if (response && at != (const unsigned char *)der.ptr + der.len) { /* clients would see it */
        OCSP_RESPONSE_free(response);
        return NULL;
    }
    return response;
}

int cert_ocsp_read(struct span chain_pem, struct span der, nsec_t now, struct cert_ocsp *ret_ocsp,
                   const char **ret_why)
{
    scoped(subject_finish) struct subject subject;

    *ret_why = "its issuer is not in the chain";
    int r = subject_init(chain_pem, &subject);
    if (r < 0)
        return r;
    *ret_why = "the responder's answer is too long";
    if (der.len > CERT_OCSP_MAX)
        return ERR_LIMIT;
    *ret_why = "the responder's answer is not OCSP";
    scoped(release_response) OCSP_RESPONSE *response = parse(der);
    if (!response)
        return ERR_SYNTAX;
    int status = OCSP_response_status(response);
    *ret_why = refusal(status);
    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return ERR_PROTOCOL;
    *ret_why = "the responder's answer is not OCSP";
    scoped(release_basic) OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    if (!basic)
        return ERR_SYNTAX;
    *ret_why = "the responder's answer is not signed by the certificate's issuer";
    if (!verify(basic, subject.issuer, now))
        return ERR_PROTOCOL;
    return judge(basic, subject.id, now, ret_ocsp, ret_why);
}
