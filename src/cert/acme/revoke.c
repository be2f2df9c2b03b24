/* Revocation by the account that ordered the certificate. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/mem.h"
#include "cert/acme/client.h"
#include "cert/x509.h"

/** @return the payload for free(), or NULL for what is no certificate */
static char *revocation_payload(struct span chain_pem, int reason)
{
    X509 *certs[CERT_CHAIN_MAX];
    unsigned char *der = NULL;
    char *payload = NULL;

    int count = x509_parse(chain_pem, certs);
    if (count < 0)
        return NULL;
    int len = i2d_X509(certs[0], &der);
    if (len > 0) {
        struct span bytes = span_of((const char *)der, (size_t)len);
        scoped(mem_release) char *text = mem_alloc(base64url_size(bytes.len) + 1);
        text[base64url_encode(bytes, text)] = '\0';
        payload = mem_format("{\"certificate\":\"%s\",\"reason\":%d}", text, reason);
    }
    OPENSSL_free(der);
    x509_free_all(certs, count);
    return payload;
}

int acme_client_revoke(struct acme_client *client, struct span chain_pem, int reason,
                       struct acme_failure *failure)
{
    const char *url = acme_client_directory(client)->revoke_cert;
    scoped(mem_release) char *payload = revocation_payload(chain_pem, reason);
    struct acme_answer answer = {0};

    if (!url || !payload) {
        acme_fail(failure, ERR_PROTOCOL,
                  url ? "the certificate cannot be read"
                      : "this certificate authority revokes nothing by ACME");
        return ERR_PROTOCOL;
    }
    int r = acme_client_post(client, url, span_str(payload), failure, &answer);
    acme_answer_finish(&answer);
    return r < 0 && strcmp(failure->type, "alreadyRevoked") == 0 ? 0 : r;
}
