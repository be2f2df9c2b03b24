/* Sessions: libssl between two pieces of memory, and after a TLS 1.3 handshake our own records.
 * Sockets, deadlines and buffers that outlive a call are serve's. */
#include "tls/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "tls/context.h"
#include "tls/internal.h"
#include "tls/io_bio.h"
#include "tls/record.h"

#ifndef OWN_RECORDS
#define OWN_RECORDS 1 /* meson's option own_records: 0 leaves all records to libssl */
#endif

struct tls_session {
    struct tls_owner owner; /* first: see internal.h */
    SSL *ssl;               /* NULL once `records` took over */
    struct records *records;
    struct tls_io *io;               /* of the call that runs; NULL between calls */
    struct traffic_secrets *secrets; /* noted in the handshake; NULL after it */
    const char *version;
    const char *cipher;
    enum tls_protocol protocol;
    bool resumed;
    bool finished;    /* libssl has sealed its Finished: what follows has the application key */
    unsigned written; /* records that libssl has sealed since then */
};

/* ---- sessions ---- */

/* Counts what libssl seals with its application key. Headers come before the messages that their
 * records hold, so that of Finished is counted before it is known, and not counted. */
static void on_message(int outgoing, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *context)
{
    struct tls_session *session = context;
    const unsigned char *at = bytes;

    (void)version;
    (void)ssl;
    if (!outgoing)
        return;
    if (type == SSL3_RT_HEADER && session->finished)
        session->written++;
    else if (type == SSL3_RT_HANDSHAKE && len > 0 && at[0] == SSL3_MT_FINISHED)
        session->finished = true;
}

int tls_session_create(struct tls_context *context, struct tls_session **ret_session)
{
    struct tls_session *session = mem_new(struct tls_session);

    session->owner.context = context;
    session->version = session->cipher = "-";
    session->secrets = mem_new(struct traffic_secrets);
    session->ssl = tls_context_new_ssl(context);
    if (!session->ssl || SSL_set_app_data(session->ssl, &session->owner) != 1 ||
        io_bio_attach(session->ssl, &session->io) < 0) {
        tls_session_destroy(session);
        return ERR_TLS;
    }
    SSL_set_msg_callback(session->ssl, on_message);
    SSL_set_msg_callback_arg(session->ssl, session);
    SSL_set_accept_state(session->ssl);
    *ret_session = session;
    return 0;
}

static void drop_secrets(struct tls_session *session)
{
    if (session->secrets)
        OPENSSL_cleanse(session->secrets, sizeof *session->secrets);
    free(take(session->secrets));
}

void tls_session_destroy(struct tls_session *session)
{
    if (!session)
        return;
    drop_secrets(session);
    records_destroy(session->records);
    SSL_free(session->ssl);
    tls_context_destroy(session->owner.context);
    free(session);
}

SSL *tls_session_ssl(struct tls_session *session)
{
    return session->ssl;
}

bool tls_session_has_own_records(const struct tls_session *session)
{
    return session->records != NULL;
}

struct tls_context *tls_session_context(const SSL *ssl)
{
    const struct tls_owner *owner = SSL_get_app_data(ssl);

    return owner->context;
}

/* Lends a call its memory. What an earlier call left in the error queue, maybe of another session,
 * would be taken for this one's. */
static void begin(struct tls_session *session, struct tls_io *io)
{
    session->io = io;
    ERR_clear_error();
}

/* What a failed call means. The error queue is left for tls_last_error(). */
static int outcome(const struct tls_session *session, int result)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        ERR_clear_error();
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return ERR_CLOSED;
    default:
        return ERR_TLS;
    }
}

/* ---- from the handshake to records ---- */

/* Finds the last of the records that were appended to the output since `start`, all of them sealed.
 * @return how many there are, or -1 when there is anything else */
static int find_records(const struct tls_io *io, size_t start, struct span *ret_last)
{
    int count = 0;

    while (start < io->out_len) {
        const unsigned char *header = (const unsigned char *)io->out + start;
        if (io->out_len - start < RECORD_HEADER || header[0] != SSL3_RT_APPLICATION_DATA)
            return -1;
        size_t len = RECORD_HEADER + ((size_t)header[3] << 8 | header[4]);
        *ret_last = span_of(io->out + start, len);
        start += len;
        count++;
    }
    return start == io->out_len ? count : -1;
}

/* Small devices ask for records of at most 512 bytes to 4 KiB (RFC 6066 section 4). */
static bool wants_short_records(const SSL *ssl)
{
    const SSL_SESSION *session = SSL_get0_session(ssl);
    uint8_t mode = session ? SSL_SESSION_get_max_fragment_length(session) : 0;

    return mode >= TLSEXT_max_fragment_length_512 && mode <= TLSEXT_max_fragment_length_4096;
}

/* The tickets that libssl sealed in the last step of the handshake, the first records under the
 * application key. Their number is the one that libssl's callback counted and the one that stands
 * in the output; records_create() proves it once more. @return 0, or ERR_TLS when they differ */
static int find_written(const struct tls_session *session, const struct tls_io *io, size_t start,
                        struct records_written *ret_written)
{
    struct span last = SPAN("");
    int count = find_records(io, start, &last);

    if (count < 0 || !session->finished || (unsigned)count != session->written)
        return ERR_TLS;
    *ret_written = (struct records_written){(uint64_t)count, last};
    return 0;
}

/* Lets go of libssl's connection, which is worth 12 KiB of memory and a fifth of the work for a
 * small answer, where TLS 1.3 leaves nothing to do but records. Wherever a condition does not hold,
 * libssl goes on serving it. */
static void detach(struct tls_session *session, const struct tls_io *io, size_t start)
{
    const struct traffic_secrets *secrets = session->secrets;
    const struct record_suite *suite = tls_context_suite(session->owner.context, session->cipher);
    struct records_written written;

    if (!OWN_RECORDS || SSL_version(session->ssl) != TLS1_3_VERSION || !suite ||
        !secrets->has_client || !secrets->has_server || SSL_has_pending(session->ssl) ||
        wants_short_records(session->ssl) || find_written(session, io, start, &written) < 0)
        return;
    if (records_create(suite, secrets, &written, &session->records) < 0) {
        ERR_clear_error();
        return;
    }
    SSL_free(take(session->ssl));
}

static void complete(struct tls_session *session, const struct tls_io *io, size_t start)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(session->ssl);
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(session->ssl, &name, &len);
    session->protocol = len == 2 && memcmp(name, "h2", 2) == 0 ? TLS_HTTP_2 : TLS_HTTP_1;
    session->version = SSL_get_version(session->ssl);
    session->cipher = cipher ? SSL_CIPHER_standard_name(cipher) : "-";
    session->resumed = SSL_session_reused(session->ssl) == 1;
    detach(session, io, start);
    drop_secrets(session);
}

int tls_handshake(struct tls_session *session, struct tls_io *io)
{
    struct schedule *schedule = tls_context_schedule(session->owner.context);
    size_t start = io->out_len;

    begin(session, io);
    schedule->noting = session->secrets;
    int r = SSL_do_handshake(session->ssl);
    schedule->noting = NULL;
    r = r == 1 ? 1 : outcome(session, r);
    session->io = NULL;
    if (r == 1)
        complete(session, io, start);
    return r;
}

ssize_t tls_read(struct tls_session *session, struct tls_io *io, char *out, size_t cap)
{
    size_t count;

    if (session->records)
        return records_open(session->records, io, out);
    if (io->in.len == 0 && !SSL_has_pending(session->ssl))
        return 0;
    begin(session, io);
    int r = SSL_read_ex(session->ssl, out, cap, &count);
    ssize_t ret = r == 1 ? (ssize_t)count : outcome(session, r);
    session->io = NULL;
    return ret;
}

int tls_write(struct tls_session *session, struct tls_io *io, struct span plain)
{
    size_t count;

    if (session->records)
        return records_seal(session->records, io, plain);
    begin(session, io);
    int r = SSL_write_ex(session->ssl, plain.ptr, plain.len, &count);
    session->io = NULL;
    return r == 1 && count == plain.len ? 0 : ERR_TLS;
}

void tls_close(struct tls_session *session, struct tls_io *io)
{
    if (session->records) {
        records_close(session->records, io);
        return;
    }
    begin(session, io);
    if (SSL_is_init_finished(session->ssl) && SSL_shutdown(session->ssl) < 0)
        ERR_clear_error(); /* the peer is leaving anyway */
    session->io = NULL;
}

enum tls_protocol tls_session_protocol(const struct tls_session *session)
{
    return session->protocol;
}

const char *tls_session_version(const struct tls_session *session)
{
    return session->version;
}

const char *tls_session_cipher(const struct tls_session *session)
{
    return session->cipher;
}

bool tls_session_resumed(const struct tls_session *session)
{
    return session->resumed;
}
