/* Reads private key files and recognises what people give instead of one. */
#include "cert/key.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cert/complain.h"
#include "cert/file.h"
#include "cert/info.h"
#include "cert/x509.h"

static int no_passphrase(char *out, int room, int writing, void *context)
{
    return -1;
}

EVP_PKEY *key_parse(struct span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

char *key_to_pem(EVP_PKEY *key, size_t *ret_len)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed; secret memory need not be set up */
    char *bytes = NULL;

    if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
        abort(); /* only memory can fail here */
    long length = BIO_get_mem_data(bio, &bytes);
    char *text = mem_string(span_of(bytes, (size_t)length));
    *ret_len = (size_t)length;
    BIO_free(bio);
    return text;
}

static bool contains(struct span s, const char *text)
{
    return s.len && memmem(s.ptr, s.len, text, strlen(text));
}

static void explain_der(struct diags *diags, const char *path, struct span bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    EVP_PKEY *key = bytes.len ? d2i_AutoPrivateKey(NULL, &at, (long)bytes.len) : NULL;
    at = (const unsigned char *)bytes.ptr;
    PKCS12 *bag = bytes.len && !key ? d2i_PKCS12(NULL, &at, (long)bytes.len) : NULL;

    if (key)
        diag_hint(diags_add(diags, "the key file %s is in DER form, not PEM", path),
                  "convert it: openssl pkey -inform DER -in %s -out %s.pem", path, path);
    else if (bag)
        diag_hint(diags_add(diags, "the key file %s is a PKCS#12 bundle, not PEM", path),
                  "take the key out: openssl pkcs12 -in %s -nocerts -nodes -out %s.pem", path,
                  path);
    else
        diag_hint(diags_add(diags, "the key file %s is not a PEM file", path),
                  "it should begin with -----BEGIN PRIVATE KEY-----");
    EVP_PKEY_free(key);
    PKCS12_free(bag);
    ERR_clear_error();
}

static void explain(struct diags *diags, const char *path, struct span bytes)
{
    if (!x509_is_pem(bytes))
        explain_der(diags, path, bytes);
    else if (contains(bytes, "-----BEGIN ENCRYPTED PRIVATE KEY") || contains(bytes, ",ENCRYPTED"))
        diag_hint(diags_add(diags, "the key file %s is encrypted with a pass phrase", path),
                  "store it without one, readable by root alone: (umask 077; openssl pkey -in %s "
                  "-out %s.plain)",
                  path, path);
    else if (contains(bytes, "PRIVATE KEY-----"))
        diag_hint(diags_add(diags, "the private key in %s is damaged or of an unknown kind", path),
                  "see what openssl pkey -in %s -noout says", path);
    else if (contains(bytes, "-----BEGIN CERTIFICATE-----"))
        diag_hint(diags_add(diags, "the key file %s holds a certificate, but no private key", path),
                  "are the certificate's and the key's file swapped?");
    else
        diag_hint(diags_add(diags, "the key file %s holds no private key", path),
                  "it should have a block that begins with -----BEGIN PRIVATE KEY-----");
}

int key_load(const char *path, struct diags *diags, EVP_PKEY **ret_key)
{
    struct buffer bytes;
    struct stat st;
    int r = file_read_stat(AT_FDCWD, path, CERT_FILE_MAX, &bytes, &st);

    if (r < 0) {
        complain_file(diags, "key", path, r);
        return r;
    }
    EVP_PKEY *key = key_parse(buffer_span(&bytes));
    if (!key)
        explain(diags, path, buffer_span(&bytes));
    file_wipe(&bytes);
    if (key && (st.st_mode & S_IROTH))
        diag_hint(diags_warning(diags, diags_add(diags,
                                                 "every user of this machine may read the "
                                                 "private key %s",
                                                 path)),
                  "chmod o= %s; if it was so for long, get a new key and certificate", path);
    *ret_key = key;
    return key ? 0 : ERR_SYNTAX;
}
