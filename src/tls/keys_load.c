/* Keys out of files, and new ones into files: the only two ways in which a private key passes the
 * border of the keys process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/mem.h"
#include "tls/keys_held.h"

enum {
    KEY_FILE_MAX = 65536,
    SECRET_BYTES_MAX = 512,
    RSA_BITS_MIN = 2048,
    RSA_BITS_MAX = 8192,
};

/* ---- reading ---- */

/** Reads the whole file. @return its length, -errno, or ERR_LIMIT */
static ssize_t read_file(int fd, char *out, size_t room)
{
    size_t length = 0;

    for (;;) {
        ssize_t n = pread(fd, out + length, room - length, (off_t)length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return (ssize_t)length;
        length += (size_t)n;
        if (length == room)
            return ERR_LIMIT;
    }
}

/** Instead of OpenSSL's, which would ask at a terminal. */
static int no_password(char *out, int room, int writing, void *context)
{
    return -1;
}

static bool is_served(const EVP_PKEY *key)
{
    char group[32];

    if (EVP_PKEY_is_a(key, "ED25519"))
        return true;
    if (EVP_PKEY_is_a(key, "RSA")) {
        int bits = EVP_PKEY_get_bits(key);
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX;
    }
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return false;
    return strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 ||
           strcmp(group, "secp521r1") == 0;
}

static int parse_key(struct span pem, EVP_PKEY **ret_key)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    if (!key)
        return ERR_SYNTAX;
    if (!is_served(key)) {
        EVP_PKEY_free(key);
        return ERR_TLS;
    }
    *ret_key = key;
    return 0;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int parse_secret(struct span text, struct held_key *held)
{
    char bytes[SECRET_BYTES_MAX];

    while (text.len > 0 && is_white(text.ptr[0]))
        text = span_from(text, 1);
    while (text.len > 0 && is_white(text.ptr[text.len - 1]))
        text.len--;
    ssize_t length = base64_decode(text, bytes, sizeof bytes);
    if (length > 0) {
        held->secret = OPENSSL_memdup(bytes, (size_t)length);
        held->secret_len = held->secret ? (size_t)length : 0;
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return length == ERR_LIMIT ? ERR_LIMIT : held->secret ? 0 : ERR_SYNTAX;
}

int held_key_load(int fd, enum keys_purpose purpose, struct held_key **ret_held)
{
    if (purpose < KEYS_FOR_SERVER || purpose > KEYS_FOR_CHALLENGE)
        return ERR_TLS;
    struct held_key *held = mem_new(struct held_key);
    char *text = mem_alloc(KEY_FILE_MAX + 1);
    ssize_t length = read_file(fd, text, KEY_FILE_MAX + 1);
    int r = (int)length;

    held->purpose = purpose;
    if (length >= 0 && purpose == KEYS_FOR_EAB)
        r = parse_secret(span_of(text, (size_t)length), held);
    else if (length >= 0)
        r = parse_key(span_of(text, (size_t)length), &held->key);
    OPENSSL_cleanse(text, KEY_FILE_MAX + 1);
    free(text);
    if (r < 0)
        held_key_destroy(held);
    else
        *ret_held = held;
    return r;
}

/* ---- making ---- */

static const struct {
    const char *type;
    const char *group;
    int bits;
} kinds[] = {
    [KEYS_KIND_P256] = {"EC", "P-256", 0},     [KEYS_KIND_P384] = {"EC", "P-384", 0},
    [KEYS_KIND_RSA2048] = {"RSA", NULL, 2048}, [KEYS_KIND_RSA3072] = {"RSA", NULL, 3072},
    [KEYS_KIND_RSA4096] = {"RSA", NULL, 4096},
};

/* OpenSSL calls it for each candidate that it tries as a prime. */
static int on_candidate(EVP_PKEY_CTX *context)
{
    const struct keys_busy *busy = EVP_PKEY_CTX_get_app_data(context);

    if (busy->on_busy)
        busy->on_busy(busy->context);
    return 1;
}

static EVP_PKEY *generate(enum keys_kind kind, const struct keys_busy *busy)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kinds[kind].type, NULL);
    EVP_PKEY *key = NULL;
    bool rsa = kinds[kind].group == NULL;

    if (!context || EVP_PKEY_keygen_init(context) != 1 ||
        (rsa ? EVP_PKEY_CTX_set_rsa_keygen_bits(context, kinds[kind].bits)
             : EVP_PKEY_CTX_set_group_name(context, kinds[kind].group)) != 1)
        goto out;
    EVP_PKEY_CTX_set_app_data(context, (void *)(uintptr_t)busy);
    EVP_PKEY_CTX_set_cb(context, on_candidate);
    if (EVP_PKEY_generate(context, &key) != 1)
        key = NULL;
out:
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return key;
}

static int write_file(int fd, struct span bytes)
{
    size_t done = 0;

    while (done < bytes.len) {
        ssize_t n = pwrite(fd, bytes.ptr + done, bytes.len - done, (off_t)done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int save(EVP_PKEY *key, int fd)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    char *text;
    int r = ERR_TLS;

    if (lseek(fd, 0, SEEK_END) != 0) { /* never over another key */
        r = -EEXIST;
    } else if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        long length = BIO_get_mem_data(bio, &text);
        r = write_file(fd, span_of(text, (size_t)length));
        if (r < 0 && ftruncate(fd, 0) < 0)
            r = -errno;
    }
    BIO_free(bio);
    ERR_clear_error();
    return r;
}

int held_key_make(int fd, enum keys_purpose purpose, enum keys_kind kind,
                  const struct keys_busy *busy, struct held_key **ret_held)
{
    if (purpose < KEYS_FOR_SERVER || purpose > KEYS_FOR_CHALLENGE || purpose == KEYS_FOR_EAB ||
        kind < KEYS_KIND_P256 || kind > KEYS_KIND_RSA4096)
        return ERR_TLS;
    EVP_PKEY *key = generate(kind, busy);
    int r = !key ? ERR_TLS : fd < 0 ? 0 : save(key, fd);

    if (r < 0) {
        EVP_PKEY_free(key);
        return r;
    }
    struct held_key *held = mem_new(struct held_key);
    held->purpose = purpose;
    held->key = key;
    *ret_held = held;
    return 0;
}
