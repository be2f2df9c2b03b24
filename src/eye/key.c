/* Keys in files, proofs over a conversation, and the certificate of a process. */
#include "eye/key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/dial.h"

/* ---- the key ---- */

int eye_key_take(struct span text, struct eye_key *ret_key)
{
    struct span key = span_trim(text);

    while (key.len && (key.ptr[key.len - 1] == '\n' || key.ptr[key.len - 1] == '\r'))
        key = span_trim(span_of(key.ptr, key.len - 1));
    if (key.len < EYE_KEY_MIN || key.len > EYE_KEY_MAX)
        return ERR_SYNTAX;
    for (size_t i = 0; i < key.len; i++)
        if (key.ptr[i] <= ' ' || key.ptr[i] > '~')
            return ERR_SYNTAX;
    *ret_key = (struct eye_key){.len = key.len};
    memcpy(ret_key->text, key.ptr, key.len);
    return 0;
}

void eye_key_wipe(struct eye_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

/* Opens without waiting on a FIFO. @return a descriptor, or -errno */
static int open_key(const char *path, bool *ret_readable_by_others)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -EINVAL;
    }
    *ret_readable_by_others = (st.st_mode & 077) != 0;
    return fd;
}

int eye_key_read(const char *path, struct diags *diags, struct eye_key *ret_key)
{
    char text[EYE_KEY_MAX + 64];
    bool others = false;
    int fd = open_key(path, &others);

    if (fd < 0) {
        diag_hint(
            diags_add(diags, "cannot read the eye's key %s: %s", path, error_text(fd)),
            "copy it from the machine on which `gardien eye` runs, or name it with --eye-key");
        return fd;
    }
    ssize_t len = read(fd, text, sizeof text);
    int r = len < 0 ? -errno : eye_key_take(span_of(text, (size_t)len), ret_key);
    close(fd);
    OPENSSL_cleanse(text, sizeof text);
    if (r == 0 && !others)
        return 0;
    if (r == 0) {
        eye_key_wipe(ret_key);
        diag_hint(diags_add(diags, "the eye's key %s can be read by others", path), "chmod 600 %s",
                  path);
        return -EPERM;
    }
    diag_hint(diags_add(diags, "%s holds no key for an eye", path),
              "a key is one line of %d to %d letters and digits, such as `openssl rand -hex 32` "
              "prints",
              EYE_KEY_MIN, EYE_KEY_MAX);
    return r;
}

static void to_hex(const unsigned char *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
}

int eye_key_make(const char *folder, const char *path)
{
    unsigned char random[32];
    char text[sizeof random * 2 + 1];

    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    dial_random(random, sizeof random);
    to_hex(random, sizeof random, text);
    text[sizeof text - 1] = '\n';
    int r = write(fd, text, sizeof text) == sizeof text && fsync(fd) == 0 ? 0 : -EIO;
    close(fd);
    if (r < 0)
        unlink(path);
    OPENSSL_cleanse(random, sizeof random);
    OPENSSL_cleanse(text, sizeof text);
    return r;
}

/* ---- proofs ---- */

void eye_prove(const struct eye_key *key, const struct eye_binding *binding, enum eye_side side,
               unsigned char out[EYE_PROOF])
{
    unsigned char text[24 + sizeof *binding] = {0};
    unsigned len = EYE_PROOF;

    snprintf((char *)text, 24, "gardien eye 1: %s", side == EYE_SIDE_EYE ? "eye" : "asker");
    memcpy(text + 24, binding, sizeof *binding);
    if (!HMAC(EVP_sha256(), key->text, (int)key->len, text, sizeof text, out, &len))
        abort(); /* only memory can fail here */
}

bool eye_proof_holds(const struct eye_key *key, const struct eye_binding *binding,
                     enum eye_side side, const unsigned char proof[EYE_PROOF])
{
    unsigned char right[EYE_PROOF];

    eye_prove(key, binding, side, right);
    return CRYPTO_memcmp(right, proof, EYE_PROOF) == 0;
}

/* ---- the certificate ---- */

static bool fill_certificate(X509 *cert, EVP_PKEY *key, nsec_t now)
{
    time_t at = (time_t)(now / NSEC_PER_SEC);
    unsigned char serial[8];
    uint64_t number = 0;

    dial_random(serial, sizeof serial);
    memcpy(&number, serial, sizeof number);
    X509_NAME *name = X509_get_subject_name(cert);
    return X509_set_version(cert, 2) &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), number >> 1) &&
           X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, &at) &&
           X509_time_adj_ex(X509_getm_notAfter(cert), 3650, 0, &at) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"gardien eye", -1, -1, 0) &&
           X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key) &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

static char *to_pem(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL, *pem = NULL;

    if (bio && PEM_write_bio_X509(bio, cert)) {
        long len = BIO_get_mem_data(bio, &bytes);
        pem = mem_string(span_of(bytes, (size_t)len));
    }
    BIO_free(bio);
    return pem;
}

int eye_certificate_make(nsec_t now, EVP_PKEY **ret_key, char **ret_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    char *pem = key && cert && fill_certificate(cert, key, now) ? to_pem(cert) : NULL;

    X509_free(cert);
    if (!pem) {
        EVP_PKEY_free(key);
        return ERR_TLS;
    }
    *ret_key = key;
    *ret_pem = pem;
    return 0;
}

int eye_certificate_fingerprint(struct span pem, unsigned char out[CERT_FINGERPRINT_SIZE])
{
    struct cert_chain chain;

    if (cert_chain_parse(pem, &chain) < 0)
        return ERR_SYNTAX;
    memcpy(out, chain.items[0].fingerprint, CERT_FINGERPRINT_SIZE);
    cert_chain_finish(&chain);
    return 0;
}
