/* OCSP over HTTP, with OpenSSL's own client. */
#include <openssl/bioerr.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/httperr.h>

#include "cert/ocsp.h"
#include "cert/x509.h"

/* What OpenSSL's error queue says, in words that lead somewhere. */
static const char *reason_of(void)
{
    const char *why = "the responder cannot be reached";
    unsigned long code;

    while ((code = ERR_get_error()) != 0) {
        int library = ERR_GET_LIB(code), reason = ERR_GET_REASON(code);
        if (library == ERR_LIB_BIO && reason == BIO_R_TRANSFER_TIMEOUT)
            why = "the responder does not answer in time";
        if (library != ERR_LIB_HTTP)
            continue;
        why = reason == HTTP_R_MAX_RESP_LEN_EXCEEDED || reason == HTTP_R_RESPONSE_LINE_TOO_LONG
                  ? "the responder's answer is too long"
              : reason == HTTP_R_UNEXPECTED_CONTENT_TYPE
                  ? "the responder's answer is of another content type"
                  : "the responder does not answer as one";
    }
    return why;
}

/* @return the answer as a memory BIO, or NULL */
static BIO *post(const char *url, struct span request)
{
    char *host = NULL, *port = NULL, *path = NULL;
    BIO *answer = NULL;
    int secure = 0;

    scoped(release_bio) BIO *body = BIO_new_mem_buf(request.ptr, (int)request.len);
    if (body && OSSL_HTTP_parse_url(url, &secure, NULL, &host, &port, NULL, &path, NULL, NULL) == 1)
        answer =
            OSSL_HTTP_transfer(NULL, host, port, path, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0,
                               NULL, "application/ocsp-request", body, "application/ocsp-response",
                               1, CERT_OCSP_MAX, CERT_OCSP_SECONDS, 0);
    OPENSSL_free(host);
    OPENSSL_free(port);
    OPENSSL_free(path);
    return answer;
}

int cert_ocsp_fetch(const char *url, struct span request, struct buffer *ret_der,
                    const char **ret_why)
{
    struct buffer der = buffer_make(CERT_OCSP_MAX);
    char *bytes = NULL;

    scoped(release_bio) BIO *answer = post(url, request);
    if (!answer) {
        *ret_why = reason_of();
        return ERR_PROTOCOL;
    }
    long len = BIO_get_mem_data(answer, &bytes);
    if (len <= 0 || buffer_append(&der, bytes, (size_t)len) < 0) {
        *ret_why = "the responder's answer is empty or too long";
        return ERR_PROTOCOL;
    }
    *ret_der = der;
    return 0;
}
