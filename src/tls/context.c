/* Contexts: profiles, certificates, the choice by name, ALPN and session tickets. */
#include "tls/context.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "tls/internal.h"
#include "tls/record.h"
#include "tls/schedule.h"
#include "tls/staple.h"

static const char *const profile_names[] = {"intermediate", "modern", NULL};

const struct config_row tls_rows[] = {
    {.name = "profile",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct tls_settings, profile),
     .def = "intermediate",
     .choices = profile_names,
     .help = "Mozilla's recommendation to follow: `intermediate` is TLS 1.2 and 1.3, `modern` is "
             "TLS 1.3 only"},
    {.name = "strict_sni",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct tls_settings, strict_sni),
     .def = "off",
     .help = "refuse a client that asks for no name or an unknown one with the alert "
             "unrecognized_name, instead of showing it the default site"},
    {.name = "ticket_rotation",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct tls_settings, ticket_rotation),
     .min = 60 * INT64_C(1000000000),
     .max = 7 * 86400 * INT64_C(1000000000),
     .def = "12h",
     .help =
         "how often a new key for session tickets is made; the two before it still open tickets"},
    {.name = "ocsp_stapling",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct tls_settings, ocsp_stapling),
     .def = "on",
     .help = "send along what the CA's OCSP responder says of a certificate, so that browsers need "
             "not ask it themselves; does nothing for a certificate that names no responder"},
    CONFIG_END,
};

struct ticket_key {
    unsigned char name[16];
    unsigned char aes[32];
    unsigned char hmac[32];
};

/* QUIC's, beside the suites' own. */
static const char *const quic_ciphers[] = {"AES-128-ECB", "AES-256-ECB", "ChaCha20"};

struct tls_library {
    struct schedule *schedule;
    struct record_suite suites[3]; /* in the order of suite_names */
    struct ticket_key tickets[3];
    size_t ticket_count;
    EVP_CIPHER *quic[ARRAY_SIZE(quic_ciphers)];
    EVP_CIPHER *ticket_cipher; /* fetched once: OpenSSL 3 looks each name up anew */
    struct staples staples;
};

struct tls_context {
    unsigned references; /* its owner's and those of its sessions */
    SSL_CTX *ssl;
    tls_choose *choose;
    void *owner;
    struct tls_library *library;
};

/* Mozilla's intermediate list without finite-field DHE, which costs the server the most and no
 * client of the last ten years needs. */
static const char tls12_suites[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char tls13_suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

const char *tls_last_error(void)
{
    static char text[256];
    unsigned long code = ERR_peek_last_error();

    if (code == 0)
        return "no reason given";
    ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return text;
}

/* ---- what contexts share ---- */

static const struct {
    const char *standard_name; /* of the cipher suite */
    const char *cipher;
    bool sha384;
    unsigned key_len;
} suite_names[] = {
    {"TLS_AES_128_GCM_SHA256", "AES-128-GCM", false, 16},
    {"TLS_AES_256_GCM_SHA384", "AES-256-GCM", true, 32},
    {"TLS_CHACHA20_POLY1305_SHA256", "ChaCha20-Poly1305", false, 32},
};

static int fetch_ciphers(struct tls_library *library)
{
    OSSL_LIB_CTX *ossl = library->schedule->library;

    for (size_t i = 0; i < ARRAY_SIZE(suite_names); i++) {
        library->suites[i] = (struct record_suite){
            .cipher = EVP_CIPHER_fetch(ossl, suite_names[i].cipher, NULL),
            .digest =
                suite_names[i].sha384 ? &library->schedule->sha384 : &library->schedule->sha256,
            .key_len = suite_names[i].key_len,
        };
        if (!library->suites[i].cipher)
            return ERR_TLS;
    }
    for (size_t i = 0; i < ARRAY_SIZE(quic_ciphers); i++)
        if (!(library->quic[i] = EVP_CIPHER_fetch(ossl, quic_ciphers[i], NULL)))
            return ERR_TLS;
    library->ticket_cipher = EVP_CIPHER_fetch(ossl, "AES-256-CBC", NULL);
    return library->ticket_cipher ? 0 : ERR_TLS;
}

int tls_library_create(struct tls_library **ret_library)
{
    struct tls_library *library = mem_new(struct tls_library);

    int r = schedule_create(&library->schedule);
    if (r >= 0)
        r = fetch_ciphers(library);
    if (r < 0) {
        tls_library_destroy(library);
        return r;
    }
    staples_init(&library->staples, library->schedule->sha256.md);
    *ret_library = library;
    return 0;
}

void tls_library_destroy(struct tls_library *library)
{
    if (!library)
        return;
    staples_finish(&library->staples);
    for (size_t i = 0; i < ARRAY_SIZE(library->suites); i++)
        EVP_CIPHER_free(library->suites[i].cipher);
    for (size_t i = 0; i < ARRAY_SIZE(quic_ciphers); i++)
        EVP_CIPHER_free(library->quic[i]);
    EVP_CIPHER_free(library->ticket_cipher);
    schedule_destroy(library->schedule);
    OPENSSL_cleanse(library, sizeof *library);
    free(library);
}

const struct record_suite *tls_context_suite(const struct tls_context *context, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(suite_names); i++)
        if (span_equal(span_str(name), span_str(suite_names[i].standard_name)))
            return &context->library->suites[i];
    return NULL;
}

const EVP_CIPHER *tls_library_cipher(const struct tls_library *library, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(suite_names); i++)
        if (span_equal(span_str(name), span_str(suite_names[i].cipher)))
            return library->suites[i].cipher;
    for (size_t i = 0; i < ARRAY_SIZE(quic_ciphers); i++)
        if (span_equal(span_str(name), span_str(quic_ciphers[i])))
            return library->quic[i];
    return NULL;
}

struct tls_library *tls_context_library(const struct tls_context *context)
{
    return context->library;
}

struct schedule *tls_library_schedule(const struct tls_library *library)
{
    return library->schedule;
}

struct schedule *tls_context_schedule(const struct tls_context *context)
{
    return context->library->schedule;
}

/* ---- tickets ---- */

void tls_library_set_tickets(struct tls_library *library,
                             const unsigned char (*keys)[TLS_TICKET_KEY_SIZE], size_t count)
{
    static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY_SIZE, "layout of the wire");
    if (count > ARRAY_SIZE(library->tickets))
        count = ARRAY_SIZE(library->tickets);
    OPENSSL_cleanse(library->tickets, sizeof library->tickets);
    memcpy(library->tickets, keys, count * sizeof library->tickets[0]);
    library->ticket_count = count;
}

static int prepare_ticket(const struct tls_library *library, const struct ticket_key *key,
                          unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, sizeof digest - 1),
        OSSL_PARAM_construct_end(),
    };

    if (EVP_CipherInit_ex2(cipher, library->ticket_cipher, key->aes, iv, seal, NULL) != 1)
        return -1;
    return EVP_MAC_init(mac, key->hmac, sizeof key->hmac, params) == 1 ? 0 : -1;
}

/* OpenSSL's contract: -1 error, 0 no ticket or an unknown one, 1 fine, 2 fine but renew it. In
 * TLS 1.3 a fresh ticket follows every handshake anyway. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seal)
{
    struct tls_context *context = tls_session_context(ssl);
    struct tls_library *library = context->library;

    if (seal) {
        if (library->ticket_count == 0)
            return 0;
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(library->ticket_cipher)) != 1)
            return -1;
        memcpy(name, library->tickets[0].name, sizeof library->tickets[0].name);
        return prepare_ticket(library, &library->tickets[0], iv, cipher, mac, 1) < 0 ? -1 : 1;
    }
    for (size_t i = 0; i < library->ticket_count; i++) {
        if (memcmp(name, library->tickets[i].name, sizeof library->tickets[i].name) != 0)
            continue;
        if (prepare_ticket(library, &library->tickets[i], iv, cipher, mac, 0) < 0)
            return -1;
        return i > 0 || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
    }
    return 0;
}

/* The name that the ClientHello on its way asks for, as it was sent; empty for none. Tickets are
 * opened before libssl looks at it. */
static struct span hello_name(SSL *ssl)
{
    const unsigned char *at;
    size_t len;

    /* A list of one: its length, the kind host_name, the name's length (RFC 6066 section 3). */
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &at, &len) != 1 || len < 5 ||
        at[2] != TLSEXT_NAMETYPE_host_name)
        return SPAN("");
    size_t name = (size_t)at[3] << 8 | at[4];
    return name <= len - 5 ? span_of((const char *)at + 5, name) : SPAN("");
}

/* A ticket resumes under the name that it was given for and under no other: another site's settings
 * may ask more of a client (RFC 6066 section 3). */
static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *ticket, const unsigned char *name,
                                          size_t name_len, SSL_TICKET_STATUS status, void *unused)
{
    (void)name;
    (void)name_len;
    (void)unused;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (!span_equal_nocase(hello_name(ssl), span_str(SSL_SESSION_get0_hostname(ticket))))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ---- OCSP ---- */

void tls_library_set_clock(struct tls_library *library, nsec_t (*wall_clock)(void))
{
    library->staples.wall_clock = wall_clock;
}

void tls_library_set_ocsp(struct tls_library *library,
                          const unsigned char fingerprint[TLS_FINGERPRINT_SIZE],
                          struct span response, nsec_t until)
{
    staples_set(&library->staples, fingerprint, response, until);
}

void tls_library_clear_ocsp(struct tls_library *library)
{
    staples_clear(&library->staples);
}

/* ---- the choice by name, and ALPN ---- */

static int on_server_name(SSL *ssl, int *alert, void *unused)
{
    struct tls_context *first = tls_session_context(ssl);
    const char *sent = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char name[256];
    size_t len = 0;

    (void)unused;
    if (!first->choose)
        return sent ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
    for (; sent && sent[len] && len < sizeof name; len++)
        name[len] = ascii_lower(sent[len]);
    if (len && name[len - 1] == '.')
        len--;
    struct tls_context *chosen = first->choose(first->owner, span_of(name, len));
    if (!chosen) {
        *alert = SSL_AD_UNRECOGNIZED_NAME;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    if (chosen->ssl != SSL_get_SSL_CTX(ssl) && !SSL_set_SSL_CTX(ssl, chosen->ssl)) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return sent ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* Our preference, h2 before http/1.1; a client that offers neither is refused (RFC 7301
 * section 3.2), which also stops cross-protocol attacks. */
static const struct span over_tcp[] = {SPAN("h2"), SPAN("http/1.1"), SPAN("http/1.0")};
static const struct span over_quic[] = {SPAN("h3")};

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned offered_len, void *unused)
{
    const struct tls_owner *owner = SSL_get_app_data(ssl);
    const struct span *wanted = owner->quic ? over_quic : over_tcp;
    size_t count = owner->quic ? ARRAY_SIZE(over_quic) : ARRAY_SIZE(over_tcp);

    (void)unused;
    for (size_t w = 0; w < count; w++)
        for (unsigned at = 0; at < offered_len && at + 1u + offered[at] <= offered_len;
             at += 1u + offered[at])
            if (span_equal(span_of((const char *)offered + at + 1, offered[at]), wanted[w])) {
                *out = offered + at + 1;
                *out_len = offered[at];
                return SSL_TLSEXT_ERR_OK;
            }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- contexts ---- */

void tls_certificate_finish(struct tls_certificate *certificate)
{
    EVP_PKEY_free(certificate->key);
    certificate->key = NULL;
}

static int add_chain(SSL_CTX *ssl, struct span pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    int fine = leaf && SSL_CTX_use_certificate(ssl, leaf) == 1;
    X509 *issuer;

    while (fine && (issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        fine = SSL_CTX_add0_chain_cert(ssl, issuer) == 1;
        if (!fine)
            X509_free(issuer);
    }
    X509_free(leaf);
    BIO_free(bio);
    if (!fine)
        return ERR_TLS;
    ERR_clear_error(); /* the end of the PEM text is reported as an error */
    return 0;
}

static int add_certificate(SSL_CTX *ssl, const struct tls_certificate *certificate)
{
    int r = add_chain(ssl, certificate->chain_pem);

    if (r < 0)
        return r;
    return SSL_CTX_use_PrivateKey(ssl, certificate->key) == 1 ? 0 : ERR_TLS;
}

/* X25519MLKEM768 exists from OpenSSL 3.5; an older library refuses the whole list. */
static int set_groups(SSL_CTX *ssl)
{
    if (SSL_CTX_set1_groups_list(ssl, "X25519MLKEM768:X25519:P-256:P-384") == 1)
        return 0;
    ERR_clear_error();
    return SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384") == 1 ? 0 : ERR_TLS;
}

static int configure(SSL_CTX *ssl, const struct tls_settings *settings, struct tls_library *library)
{
    int lowest = settings->profile == TLS_PROFILE_MODERN ? TLS1_3_VERSION : TLS1_2_VERSION;

    if (SSL_CTX_set_min_proto_version(ssl, lowest) != 1 ||
        SSL_CTX_set_cipher_list(ssl, tls12_suites) != 1 ||
        SSL_CTX_set_ciphersuites(ssl, tls13_suites) != 1 ||
        SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"gardien", 7) != 1)
        return ERR_TLS;
    SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 1); /* one connection, one ticket: that is what clients use */
    SSL_CTX_set_max_early_data(ssl, 0);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl, on_server_name);
    SSL_CTX_set_tlsext_status_cb(ssl, staples_on_status);
    SSL_CTX_set_tlsext_status_arg(ssl, &library->staples);
    if (HAVE_HTTP3 && tls_quic_configure(ssl) < 0)
        return ERR_TLS;
    if (SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket) != 1 ||
        SSL_CTX_set_session_ticket_cb(ssl, NULL, on_ticket_opened, NULL) != 1)
        return ERR_TLS;
    return set_groups(ssl);
}

int tls_context_create(const struct tls_settings *settings, struct tls_library *library,
                       const struct tls_certificate *certificates, size_t count,
                       struct tls_context **ret_context)
{
    struct tls_context *context = mem_new(struct tls_context);

    context->references = 1;
    context->library = library;
    context->ssl = SSL_CTX_new_ex(library->schedule->library, NULL, TLS_server_method());
    int r = context->ssl ? configure(context->ssl, settings, library) : ERR_TLS;
    for (size_t i = 0; r >= 0 && i < count; i++)
        r = add_certificate(context->ssl, &certificates[i]);
    if (r < 0) {
        tls_context_destroy(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    context->references++;
    return context;
}

void tls_context_destroy(struct tls_context *context)
{
    if (!context || --context->references > 0)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

void tls_context_set_choose(struct tls_context *context, tls_choose *choose, void *owner)
{
    context->choose = choose;
    context->owner = owner;
}

SSL *tls_context_new_ssl(struct tls_context *context)
{
    context->references++;
    return SSL_new(context->ssl);
}
