/* Finds certificates in bytes and turns OpenSSL's objects back into text and times. */
#include "cert/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

static ptrdiff_t find_text(struct span s, struct span wanted)
{
    const char *at = s.len ? memmem(s.ptr, s.len, wanted.ptr, wanted.len) : NULL;

    return at ? at - s.ptr : -1;
}

bool x509_is_pem(struct span bytes)
{
    return find_text(bytes, SPAN("-----BEGIN ")) >= 0;
}

/* Cuts the next armoured block off the front of *rest.
 * @return 1, 0 when there is none left, ERR_SYNTAX for a block without its end */
static int next_block(struct span *rest, struct span *ret_label, struct span *ret_block)
{
    ptrdiff_t begin = find_text(*rest, SPAN("-----BEGIN "));

    if (begin < 0)
        return 0;
    struct span block = span_from(*rest, (size_t)begin);
    struct span inner = span_from(block, strlen("-----BEGIN "));
    ptrdiff_t label_end = find_text(inner, SPAN("-----"));
    ptrdiff_t end = find_text(inner, SPAN("-----END "));
    if (label_end < 0 || end < 0 || label_end > end)
        return ERR_SYNTAX;
    struct span tail = span_from(inner, (size_t)end + strlen("-----END "));
    ptrdiff_t dashes = find_text(tail, SPAN("-----"));
    if (dashes < 0)
        return ERR_SYNTAX;
    *rest = span_from(tail, (size_t)dashes + strlen("-----"));
    *ret_label = span_of(inner.ptr, (size_t)label_end);
    *ret_block = span_of(block.ptr, (size_t)(rest->ptr - block.ptr));
    return 1;
}

static bool is_certificate(struct span label)
{
    return span_equal(label, SPAN("CERTIFICATE")) || span_equal(label, SPAN("X509 CERTIFICATE")) ||
           span_equal(label, SPAN("TRUSTED CERTIFICATE"));
}

static int no_passphrase(char *out, int room, int writing, void *context)
{
    return -1;
}

static int parse_der(struct span bytes, X509 **ret_cert)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;

    *ret_cert = bytes.len ? d2i_X509(NULL, &at, (long)bytes.len) : NULL;
    return *ret_cert ? 1 : ERR_SYNTAX;
}

static int parse_pem(struct span rest, X509 *ret_certs[CERT_CHAIN_MAX])
{
    struct span label;
    struct span block;
    int count = 0;
    int r;

    while ((r = next_block(&rest, &label, &block)) > 0) {
        if (!is_certificate(label))
            continue;
        if (count == CERT_CHAIN_MAX) {
            r = ERR_LIMIT;
            break;
        }
        scoped(release_bio) BIO *bio = BIO_new_mem_buf(block.ptr, (int)block.len);
        ret_certs[count] = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL) : NULL;
        if (!ret_certs[count]) {
            r = ERR_SYNTAX;
            break;
        }
        count++;
    }
    if (r == 0 && count > 0)
        return count;
    x509_free_all(ret_certs, count);
    return r < 0 ? r : ERR_SYNTAX;
}

int x509_parse(struct span bytes, X509 *ret_certs[CERT_CHAIN_MAX])
{
    if (bytes.len > CERT_FILE_MAX)
        return ERR_LIMIT;
    int r = x509_is_pem(bytes) ? parse_pem(bytes, ret_certs) : parse_der(bytes, &ret_certs[0]);
    if (r < 0)
        ERR_clear_error();
    return r;
}

void x509_free_all(X509 *certs[], int count)
{
    for (int i = 0; i < count; i++)
        X509_free(certs[i]);
}

char *x509_bio_text(BIO *bio)
{
    char *bytes = NULL;
    long length = BIO_get_mem_data(bio, &bytes);

    return mem_string(span_of(bytes, length > 0 ? (size_t)length : 0));
}

char *x509_to_pem(X509 *const certs[], int count)
{
    scoped(release_bio) BIO *bio = BIO_new(BIO_s_mem());

    for (int i = 0; i < count; i++)
        if (!bio || !PEM_write_bio_X509(bio, certs[i]))
            abort(); /* only memory can fail here */
    return x509_bio_text(bio);
}

nsec_t x509_time(const ASN1_TIME *time)
{
    struct tm parts;

    if (!time || !ASN1_TIME_to_tm(time, &parts))
        return 0;
    int64_t seconds = timegm(&parts);
    if (seconds > INT64_MAX / NSEC_PER_SEC)
        return INT64_MAX;
    return seconds < INT64_MIN / NSEC_PER_SEC ? INT64_MIN : seconds * NSEC_PER_SEC;
}

bool x509_signed_by(X509 *subject, X509 *issuer)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool result =
        key && X509_check_issued(issuer, subject) == X509_V_OK && X509_verify(subject, key) == 1;

    ERR_clear_error();
    return result;
}
