/* libssl between CRYPTO frames. Secrets come from the schedule, messages from libssl's message
 * callback, transport parameters by a custom extension. */
#include "tls/quic_handshake.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "tls/context.h"
#include "tls/internal.h"
#include "tls/record.h"
#include "tls/schedule.h"

enum {
    PIECE_MAX = 16000, /* of CRYPTO bytes in one record */
    HEADER = 5,
    PARAMETERS_MAX = 512, /* of ours */
};

struct tls_quic {
    struct tls_owner owner; /* first: see internal.h */
    SSL *ssl;
    const struct tls_quic_events *events;
    void *context;
    BIO *in;
    enum tls_quic_level reads, writes; /* the newest keys */
    enum tls_quic_suite suite;
    struct tls_quic_cipher *opener; /* seals what libssl will open: the client's handshake key */
    unsigned char iv[TLS_QUIC_IV];
    uint64_t sequence;
    unsigned char parameters[PARAMETERS_MAX];
    unsigned char alert;
    bool alerted; /* `alert` is set: the first one counts */
    bool failed;
};

static void fail(struct tls_quic *quic, unsigned char alert)
{
    quic->failed = true;
    if (!quic->alerted)
        quic->alert = alert;
    quic->alerted = true;
}

/* ---- what libssl says ---- */

static bool find_suite(struct tls_quic *quic)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(quic->ssl);

    switch (cipher ? SSL_CIPHER_get_id(cipher) & 0xffff : 0) {
    case 0x1301:
        quic->suite = TLS_QUIC_AES_128;
        return true;
    case 0x1302:
        quic->suite = TLS_QUIC_AES_256;
        return true;
    case 0x1303:
        quic->suite = TLS_QUIC_CHACHA20;
        return true;
    default:
        return false;
    }
}

/* libssl opens the client's handshake records with the keys that TLS has for them. */
static int prepare_records(struct tls_quic *quic, struct span secret)
{
    const struct record_suite *suite =
        tls_context_suite(quic->owner.context, tls_quic_cipher_name(quic));
    struct tls_library *library = tls_context_library(quic->owner.context);
    int r;

    if (!suite)
        return ERR_TLS;
    unsigned char key[32];
    r = schedule_expand(suite->digest, secret, SPAN("key"), SPAN(""), key, suite->key_len);
    if (r >= 0)
        r = schedule_expand(suite->digest, secret, SPAN("iv"), SPAN(""), quic->iv, TLS_QUIC_IV);
    if (r >= 0)
        r = tls_quic_record_cipher(library, quic->suite, key, &quic->opener);
    OPENSSL_cleanse(key, sizeof key);
    return r;
}

static void on_secret(void *context, enum schedule_secret kind, struct span secret)
{
    struct tls_quic *quic = context;
    bool writes = kind == SCHEDULE_SERVER_HANDSHAKE || kind == SCHEDULE_SERVER_TRAFFIC;
    bool handshake = kind == SCHEDULE_SERVER_HANDSHAKE || kind == SCHEDULE_CLIENT_HANDSHAKE;
    enum tls_quic_level level = handshake ? TLS_QUIC_HANDSHAKE : TLS_QUIC_APPLICATION;

    if (quic->failed)
        return;
    if (!find_suite(quic) ||
        (handshake && !writes && !quic->opener && prepare_records(quic, secret) < 0) ||
        quic->events->on_secret(quic->context, level, writes, secret) < 0) {
        fail(quic, SSL_AD_INTERNAL_ERROR);
        return;
    }
    if (writes)
        quic->writes = level;
    else
        quic->reads = level;
}

static void on_message(int outgoing, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *context)
{
    struct tls_quic *quic = context;
    const unsigned char *at = bytes;

    (void)version;
    (void)ssl;
    if (!outgoing)
        return;
    if (type == SSL3_RT_ALERT && len == 2) {
        fail(quic, at[1]);
        return;
    }
    if (type == SSL3_RT_HANDSHAKE && !quic->failed &&
        quic->events->on_data(quic->context, quic->writes, span_of(bytes, len)) < 0)
        fail(quic, SSL_AD_INTERNAL_ERROR);
}

/* ---- transport parameters (section 8.2) ---- */

static struct tls_quic *quic_of(const SSL *ssl)
{
    const struct tls_owner *owner = SSL_get_app_data(ssl);

    return owner->quic;
}

static int on_add(SSL *ssl, unsigned type, unsigned where, const unsigned char **out, size_t *len,
                  X509 *certificate, size_t chain, int *alert, void *unused)
{
    struct tls_quic *quic = quic_of(ssl);

    (void)type;
    (void)where;
    (void)certificate;
    (void)chain;
    (void)unused;
    if (!quic)
        return 0;
    ssize_t count =
        quic->events->parameters(quic->context, quic->parameters, sizeof quic->parameters);
    if (count < 0) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return -1;
    }
    *out = quic->parameters;
    *len = (size_t)count;
    return 1;
}

static int on_parse(SSL *ssl, unsigned type, unsigned where, const unsigned char *in, size_t len,
                    X509 *certificate, size_t chain, int *alert, void *unused)
{
    struct tls_quic *quic = quic_of(ssl);

    (void)type;
    (void)where;
    (void)certificate;
    (void)chain;
    (void)unused;
    if (!quic) {
        *alert = SSL_AD_UNSUPPORTED_EXTENSION;
        return 0;
    }
    if (quic->events->on_parameters(quic->context, span_of((const char *)in, len)) < 0) {
        fail(quic, SSL_AD_ILLEGAL_PARAMETER);
        *alert = SSL_AD_ILLEGAL_PARAMETER;
        return 0;
    }
    return 1;
}

/* QUIC needs both extensions (sections 8.1 and 8.2); libssl itself would go on without. */
static int on_hello(SSL *ssl, int *alert, void *unused)
{
    const unsigned char *at;
    size_t len;

    (void)unused;
    if (!quic_of(ssl))
        return SSL_CLIENT_HELLO_SUCCESS;
    if (SSL_client_hello_get0_ext(ssl, TLS_QUIC_PARAMETERS, &at, &len) != 1) {
        *alert = SSL_AD_MISSING_EXTENSION;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &at,
                                  &len) != 1) {
        *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

int tls_quic_configure(SSL_CTX *ssl)
{
    SSL_CTX_set_client_hello_cb(ssl, on_hello, NULL);
    return SSL_CTX_add_custom_ext(ssl, TLS_QUIC_PARAMETERS,
                                  SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS,
                                  on_add, NULL, NULL, on_parse, NULL) == 1
               ? 0
               : ERR_TLS;
}

/* ---- its life ---- */

static int set_up(struct tls_quic *quic)
{
    BIO *out = BIO_new(BIO_s_null());

    quic->in = BIO_new(BIO_s_mem());
    if (!quic->ssl || !quic->in || !out) {
        BIO_free(quic->in);
        BIO_free(out);
        return ERR_TLS;
    }
    BIO_set_mem_eof_return(quic->in, -1);
    SSL_set_bio(quic->ssl, quic->in, out);
    if (SSL_set_app_data(quic->ssl, &quic->owner) != 1 ||
        SSL_set_min_proto_version(quic->ssl, TLS1_3_VERSION) != 1)
        return ERR_TLS;
    SSL_clear_options(quic->ssl, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    SSL_set_msg_callback(quic->ssl, on_message);
    SSL_set_msg_callback_arg(quic->ssl, quic);
    SSL_set_accept_state(quic->ssl);
    return 0;
}

int tls_quic_create(struct tls_context *context, const struct tls_quic_events *events, void *owner,
                    struct tls_quic **ret_quic)
{
    struct tls_quic *quic = mem_new(struct tls_quic);

    quic->owner = (struct tls_owner){.context = context, .quic = quic};
    quic->events = events;
    quic->context = owner;
    quic->alert = SSL_AD_INTERNAL_ERROR;
    quic->ssl = tls_context_new_ssl(context);
    if (set_up(quic) < 0) {
        tls_quic_destroy(quic);
        return ERR_TLS;
    }
    *ret_quic = quic;
    return 0;
}

void tls_quic_destroy(struct tls_quic *quic)
{
    if (!quic)
        return;
    tls_quic_cipher_destroy(quic->opener);
    SSL_free(quic->ssl);
    tls_context_destroy(quic->owner.context);
    free(quic);
}

/* ---- received bytes ---- */

static bool put_plain(struct tls_quic *quic, struct span piece)
{
    unsigned char header[HEADER] = {SSL3_RT_HANDSHAKE, 3, 1, (unsigned char)(piece.len >> 8),
                                    (unsigned char)piece.len};

    return BIO_write(quic->in, header, HEADER) == HEADER &&
           BIO_write(quic->in, piece.ptr, (int)piece.len) == (int)piece.len;
}

static bool put_sealed(struct tls_quic *quic, struct span piece)
{
    unsigned char record[HEADER + PIECE_MAX + 1 + TLS_QUIC_TAG], nonce[TLS_QUIC_IV];
    size_t len = piece.len + 1 + TLS_QUIC_TAG;

    if (!quic->opener)
        return false;
    memcpy(record, (unsigned char[]){SSL3_RT_APPLICATION_DATA, 3, 3}, 3);
    record[3] = (unsigned char)(len >> 8);
    record[4] = (unsigned char)len;
    memcpy(record + HEADER, piece.ptr, piece.len);
    record[HEADER + piece.len] = SSL3_RT_HANDSHAKE; /* the inner type (RFC 8446 section 5.2) */
    memcpy(nonce, quic->iv, sizeof nonce);
    for (unsigned i = 0; i < 8; i++)
        nonce[TLS_QUIC_IV - 1 - i] ^= (unsigned char)(quic->sequence >> (8 * i));
    quic->sequence++;
    return tls_quic_seal(quic->opener, span_of((char *)record + HEADER, piece.len + 1), nonce,
                         span_of((char *)record, HEADER), record + HEADER) == 0 &&
           BIO_write(quic->in, record, (int)(HEADER + len)) == (int)(HEADER + len);
}

static bool put_records(struct tls_quic *quic, enum tls_quic_level level, struct span bytes)
{
    while (bytes.len) {
        struct span piece = span_of(bytes.ptr, bytes.len < PIECE_MAX ? bytes.len : PIECE_MAX);
        if (!(level == TLS_QUIC_INITIAL ? put_plain(quic, piece) : put_sealed(quic, piece)))
            return false;
        bytes = span_from(bytes, piece.len);
    }
    return true;
}

static int shake_hands(struct tls_quic *quic)
{
    struct schedule *schedule = tls_context_schedule(quic->owner.context);

    ERR_clear_error();
    schedule->on_secret = on_secret;
    schedule->secret_context = quic;
    int r = SSL_do_handshake(quic->ssl);
    schedule->on_secret = NULL;
    if (quic->failed)
        return ERR_TLS;
    if (r == 1)
        return 1;
    if (SSL_get_error(quic->ssl, r) != SSL_ERROR_WANT_READ)
        return ERR_TLS;
    ERR_clear_error();
    return 0;
}

int tls_quic_receive(struct tls_quic *quic, enum tls_quic_level level, struct span bytes)
{
    if (quic->failed)
        return ERR_TLS;
    if (level == TLS_QUIC_APPLICATION || level != quic->reads) { /* no message may come then */
        fail(quic, SSL_AD_UNEXPECTED_MESSAGE);
        return ERR_TLS;
    }
    if (!put_records(quic, level, bytes)) {
        fail(quic, SSL_AD_INTERNAL_ERROR);
        return ERR_TLS;
    }
    int r = shake_hands(quic);
    if (r == 1 && BIO_pending(quic->in) > 0) {
        fail(quic, SSL_AD_UNEXPECTED_MESSAGE);
        return ERR_TLS;
    }
    return r;
}

unsigned char tls_quic_alert(const struct tls_quic *quic)
{
    return quic->alert;
}

enum tls_quic_suite tls_quic_suite(const struct tls_quic *quic)
{
    return quic->suite;
}

const char *tls_quic_cipher_name(const struct tls_quic *quic)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(quic->ssl);

    return cipher ? SSL_CIPHER_standard_name(cipher) : "-";
}

bool tls_quic_resumed(const struct tls_quic *quic)
{
    return SSL_session_reused(quic->ssl) == 1;
}
