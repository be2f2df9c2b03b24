/* The other side of a connection, for tests and fuzzers of the TLS module. */
#include "peer_support.h"

#include <assert.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum { ROOM = 1 << 20 };

static void on_key_line(const SSL *ssl, const char *line)
{
    static const char wanted[] = "CLIENT_TRAFFIC_SECRET_0 ";
    struct peer *peer = SSL_get_app_data(ssl);

    if (strncmp(line, wanted, sizeof wanted - 1) != 0)
        return;
    const char *hex = strchr(line + sizeof wanted - 1, ' ') + 1;
    for (peer->secret_len = 0; peer->secret_len < SECRET_MAX; peer->secret_len++) {
        unsigned byte;
        if (sscanf(hex + 2 * peer->secret_len, "%2x", &byte) != 1)
            break;
        peer->client_secret[peer->secret_len] = (unsigned char)byte;
    }
}

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct peer *peer = SSL_get_app_data(ssl);

    SSL_SESSION_free(peer->session);
    peer->session = session;
    return 1;
}

static void on_message(int outgoing, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *context)
{
    const unsigned char *at = bytes;
    int *alert = context;

    if (!outgoing && type == SSL3_RT_ALERT && len == 2 && at[0] == SSL3_AL_FATAL)
        *alert = at[1];
}

void peer_read_alert(struct peer *peer, int *ret_alert)
{
    char byte;

    SSL_set_msg_callback(peer->ssl, on_message);
    SSL_set_msg_callback_arg(peer->ssl, ret_alert);
    for (int i = 0; i < 100 && SSL_read(peer->ssl, &byte, 1) > 0; i++)
        ;
}

void peer_init(struct peer *peer, void (*configure)(SSL_CTX *context))
{
    *peer = (struct peer){.context = SSL_CTX_new(TLS_client_method())};
    CHECK(peer->context);
    SSL_CTX_set_keylog_callback(peer->context, on_key_line);
    SSL_CTX_set_session_cache_mode(peer->context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(peer->context, on_ticket);
    if (configure)
        configure(peer->context);
}

void peer_connect(struct peer *peer, const char *name, bool resume)
{
    if (peer->ssl)
        SSL_shutdown(peer->ssl);
    SSL_free(peer->ssl);
    peer->ssl = SSL_new(peer->context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    CHECK(peer->ssl && peer->in && peer->out);
    BIO_set_mem_eof_return(peer->in, -1);
    SSL_set_app_data(peer->ssl, peer);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_connect_state(peer->ssl);
    if (name)
        SSL_set_tlsext_host_name(peer->ssl, name);
    if (resume && peer->session)
        CHECK(SSL_set_session(peer->ssl, peer->session) == 1);
}

void peer_finish(struct peer *peer)
{
    SSL_free(peer->ssl);
    SSL_SESSION_free(peer->session);
    SSL_CTX_free(peer->context);
}

void make_certificate(const char *kind, const char *name, EVP_PKEY **ret_key, char **ret_pem)
{
    EVP_PKEY *key = strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen(SN_X9_62_prime256v1);
    X509 *cert = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    CHECK(key && cert && bio);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    X509_set_pubkey(cert, key);
    CHECK(X509_sign(cert, key, EVP_sha256()) > 0 && PEM_write_bio_X509(bio, cert) == 1);
    long len = BIO_get_mem_data(bio, &text);
    *ret_pem = mem_string(span_of(text, (size_t)len));
    *ret_key = key;
    BIO_free(bio);
    X509_free(cert);
}

static void give(struct peer *peer, const struct tls_io *io)
{
    if (io->out_len)
        CHECK(BIO_write(peer->in, io->out, (int)io->out_len) == (int)io->out_len);
}

int run_handshake(struct peer *peer, struct tls_session *server)
{
    scoped(mem_release) char *room = mem_alloc(ROOM);
    int done = 0;

    for (int round = 0; round < 10; round++) {
        char *bytes;
        (void)SSL_do_handshake(peer->ssl);
        long len = BIO_get_mem_data(peer->out, &bytes);
        struct tls_io io = {.in = span_of(bytes, (size_t)len), .out = room, .out_cap = ROOM};
        if (done == 0)
            done = tls_handshake(server, &io);
        size_t left = io.in.len;
        CHECK(left == 0);
        (void)BIO_reset(peer->out);
        give(peer, &io);
        if (done < 0)
            return done;
        if (done == 1 && SSL_is_init_finished(peer->ssl))
            return 1;
    }
    return 0;
}

ssize_t server_read(struct peer *peer, struct tls_session *server, char *out, size_t cap)
{
    scoped(mem_release) char *room = mem_alloc(ROOM);
    char *bytes;
    ssize_t total = 0, n;

    long len = BIO_get_mem_data(peer->out, &bytes);
    struct tls_io io = {.in = span_of(bytes, (size_t)len), .out = room, .out_cap = ROOM};
    while ((n = tls_read(server, &io, out + total, cap - (size_t)total)) > 0)
        total += n;
    (void)BIO_reset(peer->out);
    give(peer, &io);
    return n < 0 ? n : total;
}

void forger_init(struct forger *forger, const struct schedule *schedule, struct span secret)
{
    unsigned char key[16];

    CHECK(schedule_expand(&schedule->sha256, secret, SPAN("key"), SPAN(""), key, 16) == 0);
    CHECK(schedule_expand(&schedule->sha256, secret, SPAN("iv"), SPAN(""), forger->iv, 12) == 0);
    forger->cipher = EVP_CIPHER_CTX_new();
    forger->sequence = 0;
    CHECK(EVP_EncryptInit_ex2(forger->cipher, EVP_aes_128_gcm(), key, forger->iv, NULL) == 1);
}

void forger_finish(struct forger *forger)
{
    EVP_CIPHER_CTX_free(forger->cipher);
}

size_t forger_seal(struct forger *forger, struct span inner, unsigned char *out)
{
    unsigned char nonce[12];
    size_t sealed = inner.len + 16;
    int len;

    memcpy(nonce, forger->iv, 12);
    for (int i = 0; i < 8; i++)
        nonce[11 - i] ^= (unsigned char)(forger->sequence >> (8 * i));
    forger->sequence++;
    memcpy(out,
           (const unsigned char[]){23, 3, 3, (unsigned char)(sealed >> 8), (unsigned char)sealed},
           5);
    CHECK(EVP_EncryptInit_ex2(forger->cipher, NULL, NULL, nonce, NULL) == 1);
    CHECK(EVP_EncryptUpdate(forger->cipher, NULL, &len, out, 5) == 1);
    CHECK(EVP_EncryptUpdate(forger->cipher, out + 5, &len, (const unsigned char *)inner.ptr,
                            (int)inner.len) == 1);
    CHECK(EVP_EncryptFinal_ex(forger->cipher, out + 5 + len, &len) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(forger->cipher, EVP_CTRL_AEAD_GET_TAG, 16, out + 5 + inner.len) == 1);
    return 5 + sealed;
}
