/* Judges a certificate file and its key file for a site, and says how to fix what is wrong. */
#include "cert/pair.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "cert/complain.h"
#include "cert/file.h"
#include "cert/key.h"
#include "cert/x509.h"

enum { NAMES_SHOWN = 5, RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

struct judged {
    const struct cert_pair *pair;
    struct diags *diags;
    X509 *certs[CERT_CHAIN_MAX];
    int count;
    struct cert_info leaf;
};

static void explain_chain(struct judged *judged, struct span bytes, int error)
{
    const char *path = judged->pair->chain_path;
    bool has_key = bytes.len && memmem(bytes.ptr, bytes.len, "PRIVATE KEY-----", 16);

    if (error == ERR_LIMIT)
        diag_hint(diags_add(judged->diags,
                            "the certificate file %s holds more than %d "
                            "certificates",
                            path, CERT_CHAIN_MAX),
                  "keep the site's certificate and its intermediates, leaf first");
    else if (!x509_is_pem(bytes))
        diag_hint(diags_add(judged->diags, "the certificate file %s is not a PEM file", path),
                  "it should begin with -----BEGIN CERTIFICATE-----; out of a PKCS#12 bundle: "
                  "openssl pkcs12 -in %s -nokeys -out %s.pem",
                  path, path);
    else if (has_key)
        diag_hint(diags_add(judged->diags,
                            "the certificate file %s holds a private key, but no "
                            "readable certificate",
                            path),
                  "are the certificate's and the key's file swapped?");
    else
        diag_hint(diags_add(judged->diags, "the certificate in %s is damaged or missing", path),
                  "see what openssl x509 -in %s -noout -text says", path);
}

/* @return 0, or ERR_SETTINGS with a diag */
static int load_chain(struct judged *judged)
{
    const char *path = judged->pair->chain_path;
    struct buffer bytes;
    int r = file_read(AT_FDCWD, path, CERT_FILE_MAX, &bytes);

    if (r < 0) {
        complain_file(judged->diags, "certificate", path, r);
        return ERR_SETTINGS;
    }
    int count = x509_parse(buffer_span(&bytes), judged->certs);
    if (count < 0)
        explain_chain(judged, buffer_span(&bytes), count);
    else if (!x509_is_pem(buffer_span(&bytes)))
        diag_hint(diags_add(judged->diags, "the certificate file %s is in DER form, not PEM", path),
                  "convert it: openssl x509 -inform DER -in %s -out %s.pem", path, path);
    file_wipe(&bytes);
    if (count < 0)
        return ERR_SETTINGS;
    judged->count = count;
    x509_describe(judged->certs[0], &judged->leaf);
    return 0;
}

static void judge_kind(struct judged *judged)
{
    const struct cert_info *leaf = &judged->leaf;
    const char *path = judged->pair->chain_path;
    const char *hint = "ask for a new certificate with an ECDSA P-256 key: openssl ecparam -name "
                       "prime256v1 -genkey -noout -out key.pem";
    bool curve_known =
        leaf->key_kind == CERT_KEY_EC && strstr(leaf->key_text, " P-") && leaf->key_bits >= 256;

    if (leaf->key_kind == CERT_KEY_RSA && leaf->key_bits < RSA_BITS_MIN)
        diag_hint(diags_add(judged->diags,
                            "the RSA key of %s has %d bits: too weak, clients "
                            "refuse less than %d",
                            path, leaf->key_bits, RSA_BITS_MIN),
                  "%s", hint);
    else if (leaf->key_kind == CERT_KEY_RSA && leaf->key_bits > RSA_BITS_MAX)
        diag_hint(diags_add(judged->diags, "the RSA key of %s has %d bits, more than %d", path,
                            leaf->key_bits, RSA_BITS_MAX),
                  "%s", hint);
    else if (leaf->key_kind != CERT_KEY_RSA && leaf->key_kind != CERT_KEY_ED25519 && !curve_known)
        diag_hint(diags_add(judged->diags,
                            "the key of %s is of a kind that clients do not take: "
                            "%s",
                            path, leaf->key_text),
                  "%s", hint);
    if (leaf->signature_weak)
        diag_hint(diags_add(judged->diags,
                            "the certificate %s is signed with %s, which no client "
                            "trusts any more",
                            path, leaf->signature),
                  "ask its issuer for one signed with SHA-256");
}

/* RFC 7633: a client that minds it ends the handshake without an answer stapled to it. */
static void judge_staple(struct judged *judged)
{
    const char *path = judged->pair->chain_path;
    struct diag *diag;

    if (!judged->leaf.must_staple || (judged->pair->staples && judged->leaf.responder_url))
        return;
    diag =
        diags_warning(judged->diags,
                      diags_add(judged->diags,
                                "the certificate %s demands a stapled OCSP response (must-staple), "
                                "and none will be sent: Firefox and other clients refuse it",
                                path));
    if (judged->leaf.responder_url)
        diag_hint(diag, "leave out `tls: {ocsp_stapling: off}`");
    else
        diag_hint(diag, "it names no OCSP responder to ask; ask its issuer for one without "
                        "must-staple");
}

static void judge_match(struct judged *judged)
{
    const struct cert_pair *pair = judged->pair;
    EVP_PKEY *key = NULL;
    int matching = -1;

    if (key_load(pair->key_path, judged->diags, &key) < 0)
        return;
    for (int i = 0; i < judged->count && matching < 0; i++)
        if (X509_check_private_key(judged->certs[i], key) == 1)
            matching = i;
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (matching > 0)
        diag_hint(diags_add(judged->diags,
                            "the certificates in %s are in the wrong order: the "
                            "key belongs to number %d",
                            pair->chain_path, matching + 1),
                  "put the site's own certificate first, then each one's issuer");
    else if (matching < 0)
        diag_hint(diags_add(judged->diags, "the key %s does not match the certificate %s",
                            pair->key_path, pair->chain_path),
                  "use the key that this certificate was asked for with (a renewal may have made "
                  "a new one)");
}

static void judge_dates(struct judged *judged)
{
    const struct cert_info *leaf = &judged->leaf;
    const char *path = judged->pair->chain_path;
    char date[CERT_DATE_TEXT];

    if (judged->pair->now >= leaf->not_after)
        diag_hint(
            diags_warning(judged->diags, diags_add(judged->diags,
                                                   "the certificate %s expired on %s: browsers "
                                                   "refuse it",
                                                   path, cert_date_text(leaf->not_after, date))),
            "renew it, or leave `certificate` out to use gardien's own");
    else if (judged->pair->now < leaf->not_before)
        diag_hint(
            diags_warning(judged->diags,
                          diags_add(judged->diags, "the certificate %s is not valid before %s",
                                    path, cert_date_text(leaf->not_before, date))),
            "is this machine's clock right? (timedatectl)");
}

static bool issuer_known_here(X509 *cert)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *issuer = NULL;
    bool found = store && context && X509_STORE_set_default_paths(store) &&
                 X509_STORE_CTX_init(context, store, cert, NULL) &&
                 X509_STORE_CTX_get1_issuer(&issuer, context, cert) == 1;

    X509_free(issuer);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return found;
}

static void judge_chain(struct judged *judged)
{
    const char *path = judged->pair->chain_path;
    X509 *last = judged->certs[judged->count - 1];

    for (int i = 0; i + 1 < judged->count; i++)
        if (!x509_signed_by(judged->certs[i], judged->certs[i + 1])) {
            diag_hint(
                diags_warning(judged->diags, diags_add(judged->diags,
                                                       "in %s, certificate %d is not signed by "
                                                       "number %d after it",
                                                       path, i + 1, i + 2)),
                "order them: the site's own, then its issuer's, and so on; drop all others");
            return;
        }
    if (X509_self_signed(last, 0) == 1 || issuer_known_here(last))
        return;
    struct cert_info info;
    x509_describe(last, &info);
    struct diag *diag =
        diags_warning(judged->diags, diags_add(judged->diags,
                                               "the issuer of %s (%s) is neither in the file nor "
                                               "known to this machine: some clients will refuse "
                                               "it",
                                               path, info.issuer));
    if (info.issuer_url)
        diag_hint(diag, "append the intermediate certificate from %s (often called fullchain.pem)",
                  info.issuer_url);
    else
        diag_hint(diag, "append the intermediate certificates of the issuer (often called "
                        "fullchain.pem)");
    x509_info_finish(&info);
}

/* "a, b, c and 3 more" of what `wanted` picks, for free(). */
static char *list_names(const char *const *names, size_t count, const struct cert_info *missing_in)
{
    struct buffer text = buffer_make(8192);
    size_t found = 0;
    int r = 0;

    for (size_t i = 0; i < count; i++) {
        if (missing_in && cert_matches(missing_in, span_str(names[i])))
            continue;
        if (found++ < NAMES_SHOWN && r == 0)
            r = buffer_printf(&text, "%s%.260s", found > 1 ? ", " : "", names[i]);
    }
    if (found > NAMES_SHOWN && r == 0)
        r = buffer_printf(&text, " and %zu more", found - NAMES_SHOWN);
    char *result = found ? mem_string(buffer_span(&text)) : NULL;
    buffer_finish(&text);
    return result;
}

static void judge_names(struct judged *judged)
{
    const struct cert_pair *pair = judged->pair;
    const struct cert_info *leaf = &judged->leaf;
    scoped(mem_release) char *missing = list_names(pair->names, pair->name_count, leaf);
    scoped(mem_release) char *present =
        list_names((const char *const *)leaf->names, leaf->name_count, NULL);

    if (leaf->names_from_common_name)
        diag_hint(diags_warning(judged->diags, diags_add(judged->diags,
                                                         "the certificate %s names %s only in its "
                                                         "common name, which browsers ignore",
                                                         pair->chain_path, present)),
                  "ask for one with a subject alternative name (SAN)");
    else if (missing)
        diag_hint(diags_warning(judged->diags,
                                diags_add(judged->diags, "the certificate %s does not cover %s",
                                          pair->chain_path, missing)),
                  "it is for %s; ask for one with all names of the site",
                  present ? present : "no name at all");
    if (X509_check_purpose(judged->certs[0], X509_PURPOSE_SSL_SERVER, 0) != 1)
        diag_hint(
            diags_warning(judged->diags,
                          diags_add(judged->diags, "the certificate %s is not made for servers",
                                    pair->chain_path)),
            "ask for one with the extended key usage serverAuth");
    ERR_clear_error();
}

int cert_pair_check(const struct cert_pair *pair, struct diags *diags)
{
    struct judged judged = {.pair = pair, .diags = diags};
    size_t errors_before = diags->errors;

    if (load_chain(&judged) == 0) {
        judge_kind(&judged);
        judge_staple(&judged);
        judge_match(&judged);
        judge_dates(&judged);
        judge_chain(&judged);
        judge_names(&judged);
        x509_info_finish(&judged.leaf);
        x509_free_all(judged.certs, judged.count);
    } else {
        EVP_PKEY *key = NULL; /* the user hears about both files at once */
        if (key_load(pair->key_path, diags, &key) == 0)
            EVP_PKEY_free(key);
    }
    return diags->errors > errors_before ? ERR_SETTINGS : 0;
}
