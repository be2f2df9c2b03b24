/* The acme process's questions to the keys process: requests, JWK, JWS and challenge certificates.
 */
#include <stdlib.h>

#include <openssl/pem.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "tls/keys_provider.h"

int keys_remote_csr(struct keys_remote *remote, uint64_t id, struct span names, bool common_name,
                    struct buffer *out)
{
    struct keys_request request = {.op = KEYS_OP_CSR, .id = id, .flag = common_name, .data = names};
    struct span der;

    int r = keys_remote_ask(remote, &request, &der);
    return r < 0 ? r : buffer_add(out, der);
}

int keys_remote_jwk(struct keys_remote *remote, uint64_t id, struct buffer *out)
{
    struct keys_request request = {.op = KEYS_OP_JWK, .id = id};
    struct span jwk;

    int r = keys_remote_ask(remote, &request, &jwk);
    return r < 0 ? r : buffer_add(out, jwk);
}

static int add_member(struct buffer *out, const char *before, struct span bytes)
{
    int r = buffer_add(out, span_str(before));

    if (r >= 0)
        r = buffer_reserve(out, base64url_size(bytes.len));
    if (r >= 0)
        out->len += base64url_encode(bytes, out->data + out->len);
    return r;
}

int keys_remote_jws(struct keys_remote *remote, uint64_t id, struct span header,
                    struct span payload, struct buffer *out)
{
    size_t len = 2 + header.len + payload.len, before = out->len;
    struct span signature;

    if (header.len > UINT16_MAX || len > KEYS_DATA_MAX)
        return ERR_LIMIT;
    scoped(mem_release) char *data = mem_alloc(len);
    data[0] = (char)header.len;
    data[1] = (char)(header.len >> 8);
    memcpy(data + 2, header.ptr, header.len);
    if (payload.len)
        memcpy(data + 2 + header.len, payload.ptr, payload.len);
    struct keys_request request = {.op = KEYS_OP_JWS, .id = id, .data = span_of(data, len)};
    int r = keys_remote_ask(remote, &request, &signature);
    if (r >= 0)
        r = add_member(out, "{\"protected\":\"", header);
    if (r >= 0)
        r = add_member(out, "\",\"payload\":\"", payload);
    if (r >= 0)
        r = add_member(out, "\",\"signature\":\"", signature);
    if (r >= 0)
        r = buffer_add(out, SPAN("\"}"));
    if (r < 0)
        out->len = before;
    return r;
}

static int add_pem(struct buffer *out, struct span der)
{
    const unsigned char *at = (const unsigned char *)der.ptr;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.len);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    int r = ERR_TLS;

    if (certificate && bio && PEM_write_bio_X509(bio, certificate) == 1) {
        long len = BIO_get_mem_data(bio, &text);
        r = buffer_append(out, text, (size_t)len);
    }
    BIO_free(bio);
    X509_free(certificate);
    return r;
}

int keys_remote_challenge(struct keys_remote *remote, uint64_t id, struct span name,
                          struct span digest, struct buffer *out)
{
    char data[32 + 256];
    struct span der;

    if (digest.len != 32 || name.len > sizeof data - 32)
        return ERR_LIMIT;
    memcpy(data, digest.ptr, 32);
    memcpy(data + 32, name.ptr, name.len);
    struct keys_request request = {
        .op = KEYS_OP_CHALLENGE, .id = id, .data = span_of(data, 32 + name.len)};
    int r = keys_remote_ask(remote, &request, &der);
    return r < 0 ? r : add_pem(out, der);
}
