/* Verifies against the system's store (and SSL_CERT_FILE and SSL_CERT_DIR, as OpenSSL's programs
 * do), going on past each fault so that all are known. */
#include "cert/judge.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cert/x509.h"

enum { AUTH_LEVEL = 2 /* 112 bits, as Debian and browsers ask for */ };

static char *subject_of(X509 *cert)
{
    struct cert_info info;

    x509_describe(cert, &info);
    char *text = take(info.subject);
    x509_info_finish(&info);
    return text;
}

/* The issuer that a certificate names, and where it can be had. */
static void note_missing(X509 *cert, struct cert_judgement *judgement)
{
    struct cert_info info;

    if (judgement->missing)
        return;
    x509_describe(cert, &info);
    judgement->missing = take(info.issuer);
    judgement->missing_url = take(info.issuer_url);
    x509_info_finish(&info);
}

static unsigned fault_of(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return CERT_FAULT_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return CERT_FAULT_NOT_YET;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return CERT_FAULT_SELF_SIGNED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return CERT_FAULT_UNKNOWN_ROOT;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return CERT_FAULT_INCOMPLETE;
    case X509_V_ERR_INVALID_PURPOSE:
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
        return CERT_FAULT_PURPOSE;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return CERT_FAULT_WEAK;
    default:
        return CERT_FAULT_OTHER;
    }
}

static int on_verify(int ok, X509_STORE_CTX *context)
{
    struct cert_judgement *judgement = X509_STORE_CTX_get_app_data(context);
    int error = X509_STORE_CTX_get_error(context), depth = X509_STORE_CTX_get_error_depth(context);
    X509 *cert = X509_STORE_CTX_get_current_cert(context);

    if (ok)
        return 1;
    unsigned fault = fault_of(error);
    judgement->faults |= fault;
    if (fault == CERT_FAULT_OTHER && !judgement->other)
        judgement->other = X509_verify_cert_error_string(error);
    if ((fault & (CERT_FAULT_INCOMPLETE | CERT_FAULT_UNKNOWN_ROOT)) && cert)
        note_missing(cert, judgement);
    else if (depth > 0 && cert && !judgement->faulty)
        judgement->faulty = subject_of(cert);
    return 1;
}

/* ---- the store ---- */

static void release_store(X509_STORE **store)
{
    X509_STORE_free(*store);
}

static void release_context(X509_STORE_CTX **context)
{
    X509_STORE_CTX_free(*context);
}

static X509_STORE *make_store(nsec_t now)
{
    X509_STORE *store = X509_STORE_new();

    if (!store || X509_STORE_set_default_paths(store) != 1)
        abort(); /* only memory can fail here */
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
    X509_VERIFY_PARAM_set_time(param, (time_t)(now / NSEC_PER_SEC));
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    if (X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER) != 1)
        abort();
    return store;
}

/* ---- judging ---- */

static bool is_among(X509 *cert, X509 *const certs[], int count)
{
    for (int i = 0; i < count; i++)
        if (X509_cmp(cert, certs[i]) == 0)
            return true;
    return false;
}

/* Which certificate of the path ends first: with it ends the site. */
static void note_end(STACK_OF(X509) * chain, struct cert_judgement *judgement)
{
    int length = chain ? sk_X509_num(chain) : 0;

    for (int i = 0; i < length; i++) {
        struct cert_info info;
        x509_describe(sk_X509_value(chain, i), &info);
        if (i == 0 || info.not_after < judgement->ends) {
            judgement->ends = info.not_after;
            free(judgement->ends_issuer);
            judgement->ends_issuer = i ? take(info.subject) : NULL;
        }
        x509_info_finish(&info);
    }
}

/* What the verified chain says: its root, and what of it a server has to send. */
static void read_chain(X509_STORE_CTX *context, X509 *const certs[], int count,
                       struct cert_judgement *judgement)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
    int length = chain ? sk_X509_num(chain) : 0;
    X509 *last = length ? sk_X509_value(chain, length - 1) : NULL;
    bool rooted = last && X509_self_signed(last, 0) == 1;

    note_end(chain, judgement);

    judgement->needed = (size_t)(length > 1 && rooted ? length - 1 : length);
    judgement->sent_root = length > 1 && rooted && is_among(last, certs, count);
    if (rooted && !(judgement->faults & (CERT_FAULT_INCOMPLETE | CERT_FAULT_SELF_SIGNED)))
        judgement->anchor = subject_of(last);
}

static bool issued_locally(X509 *const certs[], int count, struct span local_ca)
{
    X509 *authorities[CERT_CHAIN_MAX];
    int found = local_ca.len ? x509_parse(local_ca, authorities) : 0;
    bool local = false;

    for (int i = 0; i < found; i++)
        for (int k = 0; k < count; k++)
            local = local || x509_signed_by(certs[k], authorities[i]);
    if (found > 0)
        x509_free_all(authorities, found);
    return local;
}

/* The callback is told of a leaf whose issuer is unknown twice, once with the certificate where the
 * chain stops. With a self-signed leaf or a root at its end nothing is missing. */
static void settle(struct cert_judgement *judgement)
{
    if (judgement->faults & (CERT_FAULT_SELF_SIGNED | CERT_FAULT_UNKNOWN_ROOT))
        judgement->faults &= ~(unsigned)CERT_FAULT_INCOMPLETE;
    judgement->trusted = judgement->faults == 0;
}

int cert_judge(struct span chain_pem, struct span local_ca, nsec_t now,
               struct cert_judgement *ret_judgement)
{
    struct cert_judgement judgement = {.trusted = false};
    X509 *certs[CERT_CHAIN_MAX];
    int count = x509_parse(chain_pem, certs);

    if (count < 0)
        return count;
    STACK_OF(X509) *others = sk_X509_new_null();
    scoped(release_store) X509_STORE *store = make_store(now);
    scoped(release_context) X509_STORE_CTX *context = X509_STORE_CTX_new();
    for (int i = 1; i < count && others; i++)
        if (sk_X509_push(others, certs[i]) == 0)
            abort();
    if (!others || !context || X509_STORE_CTX_init(context, store, certs[0], others) != 1)
        abort();
    X509_STORE_CTX_set_verify_cb(context, on_verify);
    if (X509_STORE_CTX_set_app_data(context, &judgement) != 1)
        abort();
    if (X509_verify_cert(context) < 0)
        judgement.faults |= CERT_FAULT_OTHER;
    judgement.sent = (size_t)count;
    settle(&judgement);
    read_chain(context, certs, count, &judgement);
    judgement.local_ca = issued_locally(certs, count, local_ca);
    sk_X509_free(others);
    x509_free_all(certs, count);
    ERR_clear_error();
    *ret_judgement = judgement;
    return 0;
}

void cert_judgement_finish(struct cert_judgement *judgement)
{
    free(judgement->faulty);
    free(judgement->missing);
    free(judgement->missing_url);
    free(judgement->anchor);
    free(judgement->ends_issuer);
    *judgement = (struct cert_judgement){.trusted = false};
}
