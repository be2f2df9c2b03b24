/* Keys from secrets, and the ciphers that are run with them. */
#include "tls/quic_keys.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "tls/internal.h"
#include "tls/schedule.h"

struct tls_quic_cipher {
    EVP_CIPHER_CTX *context;
    bool counts; /* ChaCha20: the sample is its counter and nonce */
};

static const struct {
    const char *aead, *header;
    unsigned key;
    bool sha384;
} suites[TLS_QUIC_SUITES] = {
    [TLS_QUIC_AES_128] = {"AES-128-GCM", "AES-128-ECB", 16, false},
    [TLS_QUIC_AES_256] = {"AES-256-GCM", "AES-256-ECB", 32, true},
    [TLS_QUIC_CHACHA20] = {"ChaCha20-Poly1305", "ChaCha20", 32, false},
};

static const struct schedule_digest *digest_of(struct tls_library *library,
                                               enum tls_quic_suite suite)
{
    const struct schedule *schedule = tls_library_schedule(library);

    return suites[suite].sha384 ? &schedule->sha384 : &schedule->sha256;
}

void tls_quic_cipher_destroy(struct tls_quic_cipher *cipher)
{
    if (!cipher)
        return;
    EVP_CIPHER_CTX_free(cipher->context); /* wipes the key */
    free(cipher);
}

static int make_cipher(struct tls_library *library, const char *name, const unsigned char *key,
                       struct tls_quic_cipher **ret_cipher)
{
    const EVP_CIPHER *kind = tls_library_cipher(library, name);
    struct tls_quic_cipher *cipher = mem_new(struct tls_quic_cipher);

    cipher->context = EVP_CIPHER_CTX_new();
    cipher->counts = span_equal(span_str(name), SPAN("ChaCha20"));
    if (!kind || !cipher->context ||
        EVP_CipherInit_ex2(cipher->context, kind, key, NULL, 1, NULL) != 1) {
        tls_quic_cipher_destroy(cipher);
        return ERR_TLS;
    }
    EVP_CIPHER_CTX_set_padding(cipher->context, 0);
    *ret_cipher = cipher;
    return 0;
}

static int make_aead(struct tls_library *library, enum tls_quic_suite suite, struct span secret,
                     struct tls_quic_keys *keys)
{
    const struct schedule_digest *digest = digest_of(library, suite);
    unsigned char key[32];

    int r = schedule_expand(digest, secret, SPAN("quic key"), SPAN(""), key, suites[suite].key);
    if (r >= 0)
        r = schedule_expand(digest, secret, SPAN("quic iv"), SPAN(""), keys->iv, TLS_QUIC_IV);
    if (r >= 0)
        r = make_cipher(library, suites[suite].aead, key, &keys->aead);
    OPENSSL_cleanse(key, sizeof key);
    return r;
}

int tls_quic_keys_make(struct tls_library *library, enum tls_quic_suite suite, struct span secret,
                       struct tls_quic_keys *ret_keys)
{
    struct tls_quic_keys keys = {0};
    unsigned char key[32];

    int r = make_aead(library, suite, secret, &keys);
    if (r >= 0)
        r = schedule_expand(digest_of(library, suite), secret, SPAN("quic hp"), SPAN(""), key,
                            suites[suite].key);
    if (r >= 0)
        r = make_cipher(library, suites[suite].header, key, &keys.header);
    OPENSSL_cleanse(key, sizeof key);
    if (r < 0) {
        tls_quic_cipher_destroy(keys.aead);
        return r;
    }
    *ret_keys = keys;
    return 0;
}

int tls_quic_keys_update(struct tls_library *library, enum tls_quic_suite suite, struct span secret,
                         unsigned char *ret_secret, struct tls_quic_keys *ret_keys)
{
    struct tls_quic_keys keys = {0};

    int r = schedule_expand(digest_of(library, suite), secret, SPAN("quic ku"), SPAN(""),
                            ret_secret, secret.len);
    if (r >= 0)
        r = make_aead(library, suite, span_of((const char *)ret_secret, secret.len), &keys);
    if (r < 0)
        return r;
    *ret_keys = keys;
    return 0;
}

int tls_quic_initial_secrets(struct tls_library *library, struct span dcid,
                             unsigned char *ret_client, unsigned char *ret_server)
{
    static const struct span salt = SPAN("\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17"
                                         "\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a");
    const struct schedule_digest *digest = digest_of(library, TLS_QUIC_AES_128);
    unsigned char initial[32];
    const struct span secret = {(const char *)initial, sizeof initial};

    int r = schedule_extract(digest, salt, dcid, initial);
    if (r >= 0)
        r = schedule_expand(digest, secret, SPAN("client in"), SPAN(""), ret_client, 32);
    return r < 0 ? r : schedule_expand(digest, secret, SPAN("server in"), SPAN(""), ret_server, 32);
}

int tls_quic_aead_make(struct tls_library *library, const unsigned char *key,
                       struct tls_quic_cipher **ret_aead)
{
    return make_cipher(library, suites[TLS_QUIC_AES_128].aead, key, ret_aead);
}

int tls_quic_record_cipher(struct tls_library *library, enum tls_quic_suite suite,
                           const unsigned char *key, struct tls_quic_cipher **ret_aead)
{
    return make_cipher(library, suites[suite].aead, key, ret_aead);
}

int tls_quic_derive(struct tls_library *library, struct span secret, const struct span label[2],
                    unsigned char *out, size_t len)
{
    return schedule_expand(digest_of(library, TLS_QUIC_AES_128), secret, label[0], label[1], out,
                           len);
}

int tls_quic_seal(struct tls_quic_cipher *aead, struct span plain, const unsigned char *nonce,
                  struct span extra, unsigned char *out)
{
    EVP_CIPHER_CTX *c = aead->context;
    int len, last;

    if (EVP_EncryptInit_ex2(c, NULL, NULL, nonce, NULL) != 1 ||
        EVP_EncryptUpdate(c, NULL, &len, (const void *)extra.ptr, (int)extra.len) != 1 ||
        EVP_EncryptUpdate(c, out, &len, (const void *)plain.ptr, (int)plain.len) != 1 ||
        EVP_EncryptFinal_ex(c, out + len, &last) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TLS_QUIC_TAG, out + plain.len) != 1)
        return ERR_TLS;
    return 0;
}

int tls_quic_open(struct tls_quic_cipher *aead, struct span sealed, const unsigned char *nonce,
                  struct span extra, unsigned char *out)
{
    EVP_CIPHER_CTX *c = aead->context;
    int len, last;

    if (sealed.len < TLS_QUIC_TAG)
        return ERR_TLS;
    size_t plain = sealed.len - TLS_QUIC_TAG;
    void *tag = (char *)(uintptr_t)sealed.ptr + plain; /* only read */
    if (EVP_DecryptInit_ex2(c, NULL, NULL, nonce, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TLS_QUIC_TAG, tag) != 1 ||
        EVP_DecryptUpdate(c, NULL, &len, (const void *)extra.ptr, (int)extra.len) != 1 ||
        EVP_DecryptUpdate(c, out, &len, (const void *)sealed.ptr, (int)plain) != 1 ||
        EVP_DecryptFinal_ex(c, out + len, &last) != 1)
        return ERR_TLS;
    return 0;
}

int tls_quic_mask(struct tls_quic_cipher *header, const unsigned char *sample, unsigned char *out)
{
    static const unsigned char zeros[TLS_QUIC_MASK];
    EVP_CIPHER_CTX *c = header->context;
    unsigned char block[TLS_QUIC_SAMPLE];
    int len;

    if (header->counts)
        return EVP_EncryptInit_ex2(c, NULL, NULL, sample, NULL) == 1 &&
                       EVP_EncryptUpdate(c, out, &len, zeros, sizeof zeros) == 1
                   ? 0
                   : ERR_TLS;
    if (EVP_EncryptUpdate(c, block, &len, sample, sizeof block) != 1)
        return ERR_TLS;
    memcpy(out, block, TLS_QUIC_MASK);
    return 0;
}
