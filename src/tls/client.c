/* Sessions of a client over lent memory. For a library that observes, whether a certificate is good
 * is cert/'s question, so libssl verifies nothing; and old versions are offered, so that a server
 * that has no other can be told apart from one that has none. */
#include "tls/client.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "tls/io_bio.h"

struct tls_client_library {
    OSSL_LIB_CTX *ossl; /* of its own, so that the system's openssl.cnf forbids us nothing */
    SSL_CTX *ssl;
    bool verifies;
};

struct tls_ticket {
    SSL_SESSION *session;
};

struct tls_client {
    SSL *ssl;
    struct tls_io *io; /* of the call that runs */
    SSL_SESSION *ticket;
    int alert;
    bool asked;
};

/* ---- what all share ---- */

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_client *client = SSL_get_app_data(ssl);

    SSL_SESSION_free(client->ticket);
    client->ticket = session;
    return 1; /* the reference is ours now */
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct tls_client *client = SSL_get_app_data(ssl);

    if (where & SSL_CB_ALERT && where & SSL_CB_READ)
        client->alert = value & 0xff;
}

/* The server asks for a certificate; we have none. */
static int on_certificate_request(SSL *ssl, X509 **ret_certificate, EVP_PKEY **ret_key)
{
    struct tls_client *client = SSL_get_app_data(ssl);

    (void)ret_certificate;
    (void)ret_key;
    client->asked = true;
    return 0;
}

static void set_callbacks(SSL_CTX *ssl)
{
    SSL_CTX_set_client_cert_cb(ssl, on_certificate_request);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, on_new_session);
    SSL_CTX_set_info_callback(ssl, on_info);
}

static bool set_up(SSL_CTX *ssl)
{
    SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, "DEFAULT:@SECLEVEL=0") == 1 &&
           SSL_CTX_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp) == 1;
}

static int create(struct tls_client_library **ret_library)
{
    struct tls_client_library *library = mem_new(struct tls_client_library);

    ERR_clear_error();
    library->ossl = OSSL_LIB_CTX_new();
    library->ssl = library->ossl ? SSL_CTX_new_ex(library->ossl, NULL, TLS_client_method()) : NULL;
    if (!library->ssl) {
        tls_client_library_destroy(library);
        return ERR_TLS;
    }
    set_callbacks(library->ssl);
    *ret_library = library;
    return 0;
}

int tls_client_library_create(struct tls_client_library **ret_library)
{
    struct tls_client_library *library;

    int r = create(&library);
    if (r < 0)
        return r;
    if (!set_up(library->ssl)) {
        tls_client_library_destroy(library);
        return ERR_TLS;
    }
    *ret_library = library;
    return 0;
}

/* @return certificates that are trusted now, or ERR_TLS */
static int add_roots(struct tls_client_library *library, struct span pem)
{
    X509_STORE *store = SSL_CTX_get_cert_store(library->ssl);
    BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    int count = 0;
    bool more = bio != NULL;

    while (more) {
        X509 *root = X509_new_ex(library->ossl, NULL);
        more = root && PEM_read_bio_X509(bio, &root, NULL, NULL);
        if (more && X509_STORE_add_cert(store, root) == 1)
            count++;
        X509_free(root);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the text is one */
    return bio ? count : ERR_TLS;
}

int tls_client_library_create_strict(struct span roots, struct tls_client_library **ret_library)
{
    struct tls_client_library *library;

    int r = create(&library);
    if (r < 0)
        return r;
    library->verifies = roots.ptr != NULL;
    SSL_CTX_set_verify(library->ssl, library->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(library->ssl, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(library->ssl, TLS1_2_VERSION) != 1)
        r = ERR_TLS;
    if (r >= 0 && library->verifies) {
        /* a certificate that is named itself is trusted, whoever signed it */
        X509_STORE_set_flags(SSL_CTX_get_cert_store(library->ssl), X509_V_FLAG_PARTIAL_CHAIN);
        r = add_roots(library, roots);
        r = r == 0 ? ERR_SYNTAX : r;
    }
    if (r < 0) {
        tls_client_library_destroy(library);
        return r;
    }
    *ret_library = library;
    return 0;
}

void tls_client_library_destroy(struct tls_client_library *library)
{
    if (!library)
        return;
    SSL_CTX_free(library->ssl);
    OSSL_LIB_CTX_free(library->ossl);
    free(library);
}

/* ---- one client ---- */

/* The name to verify: without one, a library that verifies must not connect. */
static bool set_verify_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (!name)
        return false;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 || SSL_set1_host(ssl, name) == 1;
}

static bool set_options(SSL *ssl, const struct tls_client_options *options)
{
    static const struct {
        const char *bytes;
        unsigned len;
    } offers[] = {
        [TLS_CLIENT_ANY] = {"\x02h2\x08http/1.1", 12},
        [TLS_CLIENT_HTTP_1] = {"\x08http/1.1", 9},
        [TLS_CLIENT_HTTP_2] = {"\x02h2", 3},
    };
    const unsigned char *offer = (const unsigned char *)offers[options->alpn].bytes;

    return SSL_set_alpn_protos(ssl, offer, offers[options->alpn].len) == 0 &&
           (!options->server_name || SSL_set_tlsext_host_name(ssl, options->server_name) == 1) &&
           (!options->resume || SSL_set_session(ssl, options->resume->session) == 1);
}

int tls_client_create(struct tls_client_library *library, const struct tls_client_options *options,
                      struct tls_client **ret_client)
{
    struct tls_client *client = mem_new(struct tls_client);

    ERR_clear_error();
    client->alert = -1;
    client->ssl = SSL_new(library->ssl);
    if (!client->ssl || SSL_set_app_data(client->ssl, client) != 1 ||
        !set_options(client->ssl, options) ||
        (library->verifies && !set_verify_name(client->ssl, options->verify_name)) ||
        io_bio_attach(client->ssl, &client->io) < 0) {
        tls_client_destroy(client);
        return ERR_TLS;
    }
    SSL_set_connect_state(client->ssl);
    *ret_client = client;
    return 0;
}

void tls_client_destroy(struct tls_client *client)
{
    if (!client)
        return;
    /* libssl takes an end without close_notify for an attack and forbids the session's ticket */
    if (client->ssl && SSL_is_init_finished(client->ssl))
        SSL_set_shutdown(client->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client->ssl);
    SSL_SESSION_free(client->ticket);
    free(client);
}

static void begin(struct tls_client *client, struct tls_io *io)
{
    client->io = io;
    ERR_clear_error();
}

static int outcome(struct tls_client *client, int result)
{
    client->io = NULL;
    switch (SSL_get_error(client->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        ERR_clear_error();
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return ERR_CLOSED;
    default:
        return ERR_TLS;
    }
}

int tls_client_handshake(struct tls_client *client, struct tls_io *io)
{
    begin(client, io);
    int r = SSL_do_handshake(client->ssl);
    if (r != 1)
        return outcome(client, r);
    client->io = NULL;
    return 1;
}

ssize_t tls_client_read(struct tls_client *client, struct tls_io *io, char *out, size_t cap)
{
    size_t count;

    if (io->in.len == 0 && !SSL_has_pending(client->ssl))
        return 0;
    begin(client, io);
    int r = SSL_read_ex(client->ssl, out, cap, &count);
    if (r != 1)
        return outcome(client, r);
    client->io = NULL;
    return (ssize_t)count;
}

int tls_client_write(struct tls_client *client, struct tls_io *io, struct span plain)
{
    size_t count;

    begin(client, io);
    int r = SSL_write_ex(client->ssl, plain.ptr, plain.len, &count);
    client->io = NULL;
    return r == 1 && count == plain.len ? 0 : ERR_TLS;
}

/* ---- what it was ---- */

enum tls_protocol tls_client_protocol(const struct tls_client *client)
{
    const unsigned char *name = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(client->ssl, &name, &len);
    return len == 2 && memcmp(name, "h2", 2) == 0 ? TLS_HTTP_2 : TLS_HTTP_1;
}

const char *tls_client_refusal(const struct tls_client *client)
{
    long result = SSL_get_verify_result(client->ssl);

    if (SSL_get_verify_mode(client->ssl) == SSL_VERIFY_NONE || result == X509_V_OK)
        return NULL;
    return X509_verify_cert_error_string(result);
}

int tls_client_alert(const struct tls_client *client)
{
    return client->alert;
}

bool tls_client_was_asked(const struct tls_client *client)
{
    return client->asked;
}

static void add_certificate(X509 *cert, struct buffer *chain)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;

    if (!bio || !PEM_write_bio_X509(bio, cert))
        abort(); /* only memory can fail here */
    long len = BIO_get_mem_data(bio, &bytes);
    if (buffer_append(chain, bytes, len > 0 ? (size_t)len : 0) < 0)
        chain->ceiling = chain->len; /* a chain of that size is judged by what fitted */
    BIO_free(bio);
}

static void describe_group(SSL *ssl, char *out, size_t room)
{
    long group = SSL_get_negotiated_group(ssl);
    const char *name = group > 0 ? SSL_group_to_name(ssl, (int)group) : NULL;

    for (size_t i = 0; name && name[i] && i + 1 < room; i++)
        out[i] = name[i], out[i + 1] = '\0';
}

void tls_client_describe(const struct tls_client *client, struct tls_client_facts *ret_facts)
{
    struct tls_client_facts facts = {.alert = client->alert,
                                     .asked = client->asked,
                                     .version = "-",
                                     .cipher = "-",
                                     .chain = buffer_make(TLS_CLIENT_CHAIN_MAX),
                                     .staple = buffer_make(TLS_OCSP_RESPONSE_MAX)};
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(client->ssl);
    const SSL_CIPHER *cipher = SSL_get_current_cipher(client->ssl);
    const unsigned char *bytes = NULL;
    unsigned len = 0;

    if (SSL_is_init_finished(client->ssl))
        facts.version = SSL_get_version(client->ssl);
    if (cipher)
        facts.cipher = SSL_CIPHER_standard_name(cipher);
    describe_group(client->ssl, facts.group, sizeof facts.group);
    SSL_get0_alpn_selected(client->ssl, &bytes, &len);
    if (len && len < sizeof facts.alpn) /* one of ours: libssl refuses others */
        memcpy(facts.alpn, bytes, len);
    facts.resumed = SSL_session_reused(client->ssl) == 1;
    for (int i = 0; chain && i < sk_X509_num(chain); i++)
        add_certificate(sk_X509_value(chain, i), &facts.chain);
    long size = SSL_get_tlsext_status_ocsp_resp(client->ssl, &bytes);
    facts.stapled = size > 0 && buffer_append(&facts.staple, bytes, (size_t)size) == 0;
    ERR_clear_error();
    *ret_facts = facts;
}

void tls_client_facts_finish(struct tls_client_facts *facts)
{
    buffer_finish(&facts->chain);
    buffer_finish(&facts->staple);
}

struct tls_ticket *tls_client_take_ticket(struct tls_client *client)
{
    if (!client->ticket || !SSL_SESSION_is_resumable(client->ticket))
        return NULL;
    struct tls_ticket *ticket = mem_new(struct tls_ticket);
    ticket->session = take(client->ticket);
    return ticket;
}

void tls_ticket_destroy(struct tls_ticket *ticket)
{
    if (!ticket)
        return;
    SSL_SESSION_free(ticket->session);
    free(ticket);
}

const char *tls_alert_text(int alert)
{
    const char *text = alert >= 0 ? SSL_alert_desc_string_long(alert) : "unknown";

    return strcmp(text, "unknown") == 0 ? "an unknown alert" : text;
}
