/* Nanoseconds of CPU that the server's side of a resumed TLS 1.3 connection costs in memory: its
 * handshake, one small request and answer, close_notify. The client is OpenSSL's and not counted.
 */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "tls/tls.h"

enum { ROOM = 1 << 18, ANSWER = 1300 };

static char room[ROOM], plain[TLS_READ_MIN];
static SSL_SESSION *ticket;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the client ---- */

struct client {
    SSL *ssl;
    BIO *in, *out;
};

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    if (ticket)
        return 0;
    ticket = session;
    return 1;
}

static struct client client_open(SSL_CTX *context)
{
    struct client c = {SSL_new(context), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};

    must(c.ssl && c.in && c.out);
    BIO_set_mem_eof_return(c.in, -1);
    SSL_set_bio(c.ssl, c.in, c.out);
    SSL_set_connect_state(c.ssl);
    SSL_set_tlsext_host_name(c.ssl, "localhost");
    if (ticket) {
        SSL_SESSION *copy = SSL_SESSION_dup(ticket);
        SSL_set_session(c.ssl, copy);
        SSL_SESSION_free(copy);
    }
    must(SSL_do_handshake(c.ssl) < 0);
    return c;
}

/* ---- the server's turns, which are what is measured ---- */

static void serve_hello(struct tls_session *session, struct tls_io *io)
{
    must(tls_handshake(session, io) == 0);
}

static void serve_request(struct tls_session *session, struct tls_io *io)
{
    static const char answer[ANSWER];

    must(tls_handshake(session, io) == 1);
    must(tls_read(session, io, plain, sizeof plain) > 0);
    must(tls_write(session, io, span_of(answer, sizeof answer)) == 0);
    tls_close(session, io);
}

static double turn(void (*serve)(struct tls_session *, struct tls_io *),
                   struct tls_session *session, struct client *client)
{
    static char bytes[ROOM];
    int len = BIO_read(client->out, bytes, sizeof bytes);
    must(len > 0);
    struct tls_io io = {.in = span_of(bytes, (size_t)len), .out = room, .out_cap = ROOM};

    double from = cpu_seconds();
    serve(session, &io);
    double spent = cpu_seconds() - from;
    must(BIO_write(client->in, io.out, (int)io.out_len) == (int)io.out_len);
    return spent;
}

static double connect_once(struct tls_context *context, SSL_CTX *client_context)
{
    struct client client = client_open(client_context);
    struct tls_session *session;
    char got[4096];

    double from = cpu_seconds();
    must(tls_session_create(context, &session) == 0);
    double spent = cpu_seconds() - from;
    spent += turn(serve_hello, session, &client);
    must(SSL_do_handshake(client.ssl) == 1);
    must(SSL_write(client.ssl, "GET / HTTP/1.1\r\n\r\n", 18) == 18);
    spent += turn(serve_request, session, &client);
    must(SSL_read(client.ssl, got, sizeof got) == ANSWER);
    SSL_shutdown(client.ssl);
    SSL_free(client.ssl);
    from = cpu_seconds();
    tls_session_destroy(session);
    return spent + cpu_seconds() - from;
}

/* ---- the clock ---- */

static void make_certificate(EVP_PKEY **ret_key, char **ret_pem)
{
    EVP_PKEY *key = EVP_EC_gen(SN_X9_62_prime256v1);
    X509 *cert = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    must(key && cert && bio);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    must(X509_sign(cert, key, EVP_sha256()) > 0 && PEM_write_bio_X509(bio, cert) == 1);
    long len = BIO_get_mem_data(bio, &text);
    *ret_pem = mem_string(span_of(text, (size_t)len));
    *ret_key = key;
    BIO_free(bio);
    X509_free(cert);
}

static struct tls_context *make_server(struct tls_library **ret_library)
{
    static const unsigned char ticket_key[1][TLS_TICKET_KEY_SIZE] = {{1}};
    struct tls_settings settings = {0};
    struct tls_certificate certificate;
    struct tls_context *context;
    char *pem;

    must(tls_library_create(ret_library) == 0);
    tls_library_set_tickets(*ret_library, ticket_key, 1);
    make_certificate(&certificate.key, &pem);
    certificate.chain_pem = span_str(pem);
    must(tls_context_create(&settings, *ret_library, &certificate, 1, &context) == 0);
    tls_certificate_finish(&certificate);
    free(pem);
    return context;
}

static SSL_CTX *make_client(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    must(context && SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519") == 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_ticket);
    return context;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 2000;
    int repeats = argc > 2 ? atoi(argv[2]) : 5;
    struct tls_library *library;
    struct tls_context *server = make_server(&library);
    SSL_CTX *client = make_client();
    double best = 1;

    double full = connect_once(server, client);
    for (int i = 0; i < repeats; i++) {
        double spent = 0;
        for (int r = 0; r < rounds; r++)
            spent += connect_once(server, client);
        best = spent / rounds < best ? spent / rounds : best;
        printf("resumed connection %.1f us, best %.1f us\n", spent * 1e6 / rounds, best * 1e6);
    }
    (void)full;
    SSL_SESSION_free(ticket);
    SSL_CTX_free(client);
    tls_context_destroy(server);
    tls_library_destroy(library);
    return 0;
}
