/* The judge of lists of revoked certificates: whatever is had for one, it ends, leaks nothing, and
 * counts nothing that the issuer did not sign. Lists that can be read are signed anew as well, so
 * that what stands behind the signature is reached. */
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
};

/* Made once a process; OpenSSL wants no less. */
static const struct rig *rig_of_process(void)
{
    static struct rig rig;

    if (rig.chain)
        return &rig;
    rig.ca = make_cert(&(struct order){.name = "CA", .ca = true});
    struct issued leaf = make_cert(&(struct order){
        .name = "leaf", .issuer = &rig.ca, .more = "crlDistributionPoints=URI:http://c.test/1"});
    X509 *both[] = {leaf.cert, rig.ca.cert};
    rig.chain = x509_to_pem(both, 2);
    X509_free(leaf.cert);
    EVP_PKEY_free(leaf.key);
    return &rig;
}

static int judge(const struct rig *rig, struct span der)
{
    const char *why = NULL;
    int status = -1;
    int r = cert_crl_read(span_str(rig->chain), der, NOW, &status, &why);

    need(why != NULL);
    need(r < 0 || status == CERT_OCSP_GOOD || status == CERT_OCSP_REVOKED);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct rig *rig = rig_of_process();
    const unsigned char *at = data;
    unsigned char *der = NULL;

    need(judge(rig, span_of((const char *)data, size)) < 0); /* nobody has the CA's key */
    X509_CRL *crl = size ? d2i_X509_CRL(NULL, &at, (long)size) : NULL;
    if (!crl)
        return 0;
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(rig->ca.cert));
    if (X509_CRL_sign(crl, rig->ca.key, EVP_sha256()) > 0) {
        int len = i2d_X509_CRL(crl, &der);
        if (len > 0)
            (void)judge(rig, span_of((const char *)der, (size_t)len));
        OPENSSL_free(der);
    }
    X509_CRL_free(crl);
    return 0;
}
