/* Keys, certificates and an answering thread for the tests; checks nothing by itself. */
#include "test_keys_support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/pem.h>

static void need(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

EVP_PKEY *make_key(const char *kind)
{
    EVP_PKEY *key;

    if (strncmp(kind, "RSA", 3) == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)atoi(kind + 3));
    else if (strncmp(kind, "ED", 2) == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
    else
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
    need(key != NULL, kind);
    return key;
}

X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_NAME_new();
    const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();

    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_set_subject_name(certificate, name);
    X509_set_issuer_name(certificate, name);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    need(X509_set_pubkey(certificate, key) == 1, "X509_set_pubkey");
    need(X509_sign(certificate, key, md) > 0, "X509_sign");
    X509_NAME_free(name);
    return certificate;
}

static char *bio_text(BIO *bio)
{
    char *data;
    long length = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)length);

    BIO_free(bio);
    return text;
}

char *certificate_pem(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());

    need(PEM_write_bio_X509(bio, certificate) == 1, "PEM_write_bio_X509");
    return bio_text(bio);
}

int make_file(const void *bytes, size_t length)
{
    int fd = memfd_create("key", MFD_CLOEXEC);

    need(fd >= 0 && write(fd, bytes, length) == (ssize_t)length, "memfd");
    return fd;
}

int make_key_file(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    need(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1, "PEM");
    char *text = bio_text(bio);
    int fd = make_file(text, strlen(text));
    free(text);
    return fd;
}

static size_t put(char *out, size_t at, const char *bytes, size_t length)
{
    memcpy(out + at, bytes, length);
    return at + length;
}

struct span tls13_content(const char *end, size_t hash, char out[CONTENT_MAX])
{
    int at;

    memset(out, ' ', 64);
    at = 64 + snprintf(out + 64, 100, "TLS 1.3, %s CertificateVerify", end);
    out[at] = 0;
    memset(out + at + 1, 'h', hash);
    return span_of(out, (size_t)at + 1 + hash);
}

struct span tls12_server_content(char out[CONTENT_MAX])
{
    memset(out, 'r', 64);
    size_t at = put(out, 64, "\x03\x00\x1d\x20", 4);
    memset(out + at, 'p', 32);
    return span_of(out, at + 32);
}

struct span tls12_client_content(char out[CONTENT_MAX])
{
    size_t at = put(out, 0,
                    "\x01\x00\x00\x03"
                    "abc",
                    7); /* ClientHello */
    at = put(out, at,
             "\x02\x00\x00\x01"
             "a",
             5); /* ServerHello */
    at = put(out, at,
             "\x0b\x00\x00\x01"
             "a",
             5); /* Certificate */
    at = put(out, at,
             "\x0d\x00\x00\x02"
             "ab",
             6);                              /* CertificateRequest */
    at = put(out, at, "\x0e\x00\x00\x00", 4); /* ServerHelloDone */
    at = put(out, at,
             "\x10\x00\x00\x02"
             "ab",
             6); /* ClientKeyExchange */
    return span_of(out, at);
}

static void *answer_all(void *context)
{
    struct answering *answering = context;
    char request[KEYS_MESSAGE_MAX], answer[KEYS_MESSAGE_MAX];

    for (;;) {
        ssize_t n = recv(answering->holder_socket, request, sizeof request, 0);
        if (n <= 0)
            return NULL;
        size_t length = keys_holder_answer(answering->holder, answering->rights,
                                           span_of(request, (size_t)n), answer);
        if (send(answering->holder_socket, answer, length, MSG_NOSIGNAL) < 0)
            return NULL;
    }
}

void answering_start(struct answering *answering, struct keys_holder *holder)
{
    struct timeval patience = {.tv_sec = 10};
    int sockets[2];

    need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0, "socketpair");
    need(setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0,
         "SO_RCVTIMEO");
    *answering = (struct answering){.holder = holder,
                                    .rights = KEYS_MAY_SHAKE_HANDS | KEYS_MAY_CERTIFY,
                                    .socket = sockets[0],
                                    .holder_socket = sockets[1]};
    need(pthread_create(&answering->thread, NULL, answer_all, answering) == 0, "thread");
}

void answering_stop(struct answering *answering)
{
    shutdown(answering->holder_socket, SHUT_RDWR);
    pthread_join(answering->thread, NULL);
    close(answering->holder_socket);
}
