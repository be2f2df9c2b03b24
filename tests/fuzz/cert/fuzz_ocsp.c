/* The judge of OCSP answers: whatever a responder sends, it ends, leaks nothing, and counts nothing
 * as good that the issuer did not sign or that is of another time. Answers that can be read are
 * signed anew as well, so that times and states are reached behind the signature. */
#include <openssl/ocsp.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../unit/cert/make.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "cert/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool fine)
{
    if (!fine)
        abort();
}

struct rig {
    struct issued ca;
    char *chain;
    OCSP_CERTID *id;
};

/* Made once a process; OpenSSL wants no less. */
static const struct rig *rig_of_process(void)
{
    static struct rig rig;

    if (rig.chain)
        return &rig;
    rig.ca = make_cert(&(struct order){.name = "CA", .ca = true});
    struct issued leaf = make_cert(&(struct order){.name = "leaf", .issuer = &rig.ca});
    X509 *both[] = {leaf.cert, rig.ca.cert};
    rig.chain = x509_to_pem(both, 2);
    rig.id = OCSP_cert_to_id(EVP_sha1(), leaf.cert, rig.ca.cert);
    X509_free(leaf.cert);
    EVP_PKEY_free(leaf.key);
    return &rig;
}

static int judge(const struct rig *rig, struct span der)
{
    struct cert_ocsp ocsp;
    const char *why = NULL;

    int r = cert_ocsp_read(span_str(rig->chain), der, NOW, &ocsp, &why);
    need(why != NULL);
    if (r < 0)
        return r;
    need(ocsp.status >= CERT_OCSP_GOOD && ocsp.status <= CERT_OCSP_UNKNOWN);
    need(ocsp.expires_at > NOW && ocsp.refresh_at > NOW && ocsp.refresh_at <= NOW + DAYS(7));
    return 0;
}

/* What the answer says, said of our certificate. */
static OCSP_BASICRESP *copy(const struct rig *rig, OCSP_BASICRESP *from)
{
    OCSP_BASICRESP *to = OCSP_BASICRESP_new();

    for (int i = 0; i < OCSP_resp_count(from) && i < 4; i++) {
        ASN1_GENERALIZEDTIME *revoked = NULL, *first = NULL, *last = NULL;
        int reason = 0;
        int status =
            OCSP_single_get0_status(OCSP_resp_get0(from, i), &reason, &revoked, &first, &last);
        OCSP_basic_add1_status(to, rig->id, status, reason, revoked, first, last);
    }
    return to;
}

static void judge_signed(const struct rig *rig, OCSP_BASICRESP *from)
{
    OCSP_BASICRESP *basic = copy(rig, from);
    unsigned char *der = NULL;

    if (OCSP_basic_sign(basic, rig->ca.cert, rig->ca.key, EVP_sha256(), NULL, OCSP_NOCERTS) == 1) {
        OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
        int len = i2d_OCSP_RESPONSE(response, &der);
        if (len > 0)
            (void)judge(rig, span_of((const char *)der, (size_t)len));
        OPENSSL_free(der);
        OCSP_RESPONSE_free(response);
    }
    OCSP_BASICRESP_free(basic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct rig *rig = rig_of_process();
    const unsigned char *at = data;

    need(judge(rig, span_of((const char *)data, size)) < 0); /* nobody has the CA's key */
    OCSP_RESPONSE *response = size ? d2i_OCSP_RESPONSE(NULL, &at, (long)size) : NULL;
    OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
    if (basic)
        judge_signed(rig, basic);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return 0;
}
