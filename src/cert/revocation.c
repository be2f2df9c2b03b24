/* Asking OCSP first, whose answers are small, then the list. */
#include "cert/revocation.h"

#include <openssl/err.h>
#include <openssl/http.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cert/x509.h"

/* ---- the chain ---- */

struct pair {
    X509 *certs[CERT_CHAIN_MAX];
    int count;
    X509 *leaf, *issuer; /* of those */
};

static void pair_finish(struct pair *pair)
{
    x509_free_all(pair->certs, pair->count);
    ERR_clear_error();
}

static int pair_init(struct span chain_pem, struct pair *pair)
{
    *pair = (struct pair){.count = 0};
    int r = x509_parse(chain_pem, pair->certs);
    if (r < 0)
        return r;
    pair->count = r;
    pair->leaf = pair->certs[0];
    for (int i = 1; !pair->issuer && i < pair->count; i++)
        if (x509_signed_by(pair->leaf, pair->certs[i]))
            pair->issuer = pair->certs[i];
    return pair->issuer ? 0 : ERR_NOT_FOUND;
}

/* ---- where the list is ---- */

/* The nth name of a distribution point, when it is an address. */
static struct span address_at(const DIST_POINT_NAME *name, int n)
{
    if (!name || name->type != 0 || n >= sk_GENERAL_NAME_num(name->name.fullname))
        return (struct span){0};
    const GENERAL_NAME *general = sk_GENERAL_NAME_value(name->name.fullname, n);
    if (general->type != GEN_URI)
        return SPAN("");
    const ASN1_IA5STRING *uri = general->d.uniformResourceIdentifier;
    return span_of((const char *)ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri));
}

static bool is_plain_http(struct span url)
{
    return url.len > 7 && span_equal_nocase(span_of(url.ptr, 7), SPAN("http://")) &&
           !memchr(url.ptr, 0, url.len);
}

static void release_points(CRL_DIST_POINTS **points)
{
    CRL_DIST_POINTS_free(*points);
}

/* The first list over plain HTTP that holds all reasons and is the issuer's own. @return for free()
 */
static char *list_of(const X509 *leaf)
{
    scoped(release_points) CRL_DIST_POINTS *points =
        X509_get_ext_d2i(leaf, NID_crl_distribution_points, NULL, NULL);

    for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT *point = sk_DIST_POINT_value(points, i);
        struct span url;
        for (int n = 0;
             !point->reasons && !point->CRLissuer && (url = address_at(point->distpoint, n)).ptr;
             n++)
            if (is_plain_http(url))
                return mem_string(url);
    }
    return NULL;
}

/* ---- what the list says ---- */

static bool names_address(const DIST_POINT_NAME *name, struct span address)
{
    struct span url;

    for (int n = 0; (url = address_at(name, n)).ptr; n++)
        if (url.len && span_equal(url, address))
            return true;
    return false;
}

/* Is a part of all lists the one that the certificate names? */
static bool is_its_part(const X509 *leaf, const DIST_POINT_NAME *part)
{
    scoped(release_points) CRL_DIST_POINTS *points =
        X509_get_ext_d2i(leaf, NID_crl_distribution_points, NULL, NULL);
    struct span url;

    for (int i = 0; i < sk_DIST_POINT_num(points); i++)
        for (int n = 0; (url = address_at(sk_DIST_POINT_value(points, i)->distpoint, n)).ptr; n++)
            if (url.len && names_address(part, url))
                return true;
    return false;
}

/* RFC 5280 section 5.2.5. @return whether the list speaks for the certificate */
static bool is_in_scope(const X509_CRL *crl, const X509 *leaf)
{
    int critical = -1;
    ISSUING_DIST_POINT *scope =
        X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);

    if (!scope)
        return critical == -1; /* it has none; one that cannot be read is no such list */
    bool fits = !scope->onlyCA && !scope->onlyattr && !scope->indirectCRL &&
                !scope->onlysomereasons &&
                (!scope->distpoint || is_its_part(leaf, scope->distpoint));
    ISSUING_DIST_POINT_free(scope);
    return fits;
}

/* @return 0, or an error with its words */
static int judge_list(const struct pair *pair, X509_CRL *crl, nsec_t now, const char **ret_why)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

    if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(pair->leaf)) != 0 ||
        X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0 || !is_in_scope(crl, pair->leaf)) {
        *ret_why = "the authority's list is about other certificates";
        return ERR_NOT_FOUND;
    }
    if (X509_CRL_verify(crl, X509_get0_pubkey(pair->issuer)) != 1) {
        *ret_why = "the authority's list is not signed by it";
        return ERR_PROTOCOL;
    }
    if (!next || x509_time(next) < now) {
        *ret_why = "the authority's list is out of date";
        return ERR_TIMEOUT;
    }
    return 0;
}

int cert_crl_read(struct span chain_pem, struct span der, nsec_t now, int *ret_status,
                  const char **ret_why)
{
    scoped(pair_finish) struct pair pair;
    const unsigned char *at = (const unsigned char *)der.ptr;
    X509_REVOKED *entry = NULL;

    *ret_why = "the chain lacks the certificate's issuer";
    int r = pair_init(chain_pem, &pair);
    if (r < 0)
        return r;
    *ret_why = "the authority's list cannot be read";
    if (der.len > CERT_CRL_MAX)
        return ERR_LIMIT;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)der.len);
    if (!crl)
        return ERR_SYNTAX;
    r = judge_list(&pair, crl, now, ret_why);
    if (r == 0) /* 2: it was on hold, and is not any more */
        *ret_status = X509_CRL_get0_by_serial(crl, &entry, X509_get0_serialNumber(pair.leaf)) == 1
                          ? CERT_OCSP_REVOKED
                          : CERT_OCSP_GOOD;
    X509_CRL_free(crl);
    return r;
}

/* ---- asking ---- */

static int ask_list(struct span chain_pem, nsec_t now, int *ret_status, const char **ret_why)
{
    scoped(pair_finish) struct pair pair;
    char *bytes = NULL;

    *ret_why = "its issuer is not in the chain that the server sends";
    int r = pair_init(chain_pem, &pair);
    if (r < 0)
        return r;
    scoped(mem_release) char *url = list_of(pair.leaf);
    *ret_why = "it names neither a responder nor a list to ask";
    if (!url)
        return ERR_NOT_FOUND;
    scoped(release_bio) BIO *answer = OSSL_HTTP_get(url, NULL, NULL, NULL, NULL, NULL, NULL, 0,
                                                    NULL, NULL, 1, CERT_CRL_MAX, CERT_CRL_SECONDS);
    *ret_why = "the authority's list cannot be had";
    if (!answer)
        return ERR_PROTOCOL;
    long len = BIO_get_mem_data(answer, &bytes);
    return cert_crl_read(chain_pem, span_of(bytes, len > 0 ? (size_t)len : 0), now, ret_status,
                         ret_why);
}

static int ask_responder(struct span chain_pem, nsec_t now, int *ret_status, const char **ret_why)
{
    scoped(mem_release) char *url = NULL;
    scoped(buffer_finish) struct buffer request = buffer_make(0), der = buffer_make(0);
    struct cert_ocsp ocsp;

    *ret_why = "its issuer is not in the chain that the server sends";
    int r = cert_ocsp_request(chain_pem, &request, &url);
    if (r == 0)
        r = cert_ocsp_fetch(url, buffer_span(&request), &der, ret_why);
    if (r == 0)
        r = cert_ocsp_read(chain_pem, buffer_span(&der), now, &ocsp, ret_why);
    if (r == 0)
        *ret_status = ocsp.status;
    return r;
}

int cert_revocation_ask(struct span chain_pem, nsec_t now, struct cert_revocation *ret_revocation,
                        const char **ret_why)
{
    struct cert_revocation revocation = {.source = CERT_REVOCATION_OCSP};
    const char *why;
    int asked = ask_responder(chain_pem, now, &revocation.status, ret_why);

    if (asked < 0 || revocation.status == CERT_OCSP_UNKNOWN) {
        int status, listed = ask_list(chain_pem, now, &status, &why);
        if (listed == 0)
            revocation = (struct cert_revocation){status, CERT_REVOCATION_CRL};
        else if (asked < 0 && (asked == ERR_NOT_FOUND || listed != ERR_NOT_FOUND))
            *ret_why = why;
        if (asked < 0 && listed < 0)
            return asked == ERR_NOT_FOUND ? listed : asked;
    }
    *ret_revocation = revocation;
    return 0;
}
