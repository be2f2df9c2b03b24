/* A connection's life between its first datagram and its last. */
#include "quic/connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/mem.h"
#include "quic/internal.h"

enum {
    DATAGRAM_MAX = 1200, /* what every path carries (RFC 9000 section 14) */
    STREAMS_UNI = 8,     /* three are used; others are extensions that we do not know */
    UNI_WINDOW = 16 << 10,
    CIDS_MAX = 4, /* of the client's, that we keep */
};

/* ---- callbacks of ngtcp2 ---- */

static int answer(int r)
{
    return r < 0 ? NGTCP2_ERR_CALLBACK_FAILURE : 0;
}

static void on_random(uint8_t *out, size_t len, const ngtcp2_rand_ctx *context)
{
    (void)context;
    if (getrandom(out, len, 0) != (ssize_t)len)
        abort();
}

static struct quic_cid cid_of(const ngtcp2_cid *from)
{
    struct quic_cid cid = {.len = (uint8_t)from->datalen};

    memcpy(cid.bytes, from->data, from->datalen);
    return cid;
}

static int on_new_cid(ngtcp2_conn *quic, ngtcp2_cid *cid, uint8_t *token, size_t len, void *user)
{
    struct quic_connection *c = user;

    (void)quic;
    quic_cid_make(c->endpoint, cid->data, len);
    cid->datalen = len;
    if (quic_reset_token(c->endpoint, cid->data, len, token) < 0)
        return NGTCP2_ERR_CALLBACK_FAILURE;
    struct quic_cid added = cid_of(cid);
    c->events->on_cid(c->owner, &added, true);
    return 0;
}

static int on_cid_gone(ngtcp2_conn *quic, const ngtcp2_cid *cid, void *user)
{
    struct quic_connection *c = user;
    struct quic_cid gone = cid_of(cid);

    (void)quic;
    c->events->on_cid(c->owner, &gone, false);
    return 0;
}

static int on_path_data(ngtcp2_conn *quic, uint8_t *out, void *user)
{
    (void)quic;
    (void)user;
    on_random(out, NGTCP2_PATH_CHALLENGE_DATALEN, NULL);
    return 0;
}

static int on_stream_data(ngtcp2_conn *quic, uint32_t flags, int64_t id, uint64_t offset,
                          const uint8_t *bytes, size_t len, void *user, void *stream)
{
    struct quic_connection *c = user;

    (void)quic;
    (void)offset;
    (void)stream;
    return answer(c->events->on_stream(c->owner, id, span_of((const char *)bytes, len),
                                       flags & NGTCP2_STREAM_DATA_FLAG_FIN));
}

static int on_acknowledged(ngtcp2_conn *quic, int64_t id, uint64_t offset, uint64_t len, void *user,
                           void *stream)
{
    struct quic_connection *c = user;

    (void)quic;
    (void)offset;
    (void)stream;
    return answer(c->events->on_acknowledged(c->owner, id, len));
}

static int on_stream_close(ngtcp2_conn *quic, uint32_t flags, int64_t id, uint64_t code, void *user,
                           void *stream)
{
    struct quic_connection *c = user;

    (void)quic;
    (void)stream;
    return answer(c->events->on_closed(
        c->owner, id, flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET ? code : UINT64_MAX));
}

static int on_stream_reset(ngtcp2_conn *quic, int64_t id, uint64_t size, uint64_t code, void *user,
                           void *stream)
{
    struct quic_connection *c = user;

    (void)quic;
    (void)size;
    (void)code;
    (void)stream;
    return answer(c->events->on_reset(c->owner, id, false));
}

static int on_stop(ngtcp2_conn *quic, int64_t id, uint64_t code, void *user, void *stream)
{
    struct quic_connection *c = user;

    (void)quic;
    (void)code;
    (void)stream;
    return answer(c->events->on_reset(c->owner, id, true));
}

static int on_window(ngtcp2_conn *quic, int64_t id, uint64_t max, void *user, void *stream)
{
    struct quic_connection *c = user;

    (void)quic;
    (void)max;
    (void)stream;
    return c->open ? answer(c->events->on_window(c->owner, id)) : 0;
}

/* A token for the client's next connection, by which it is spared Retry. */
static void offer_token(struct quic_connection *c)
{
    struct quic_token token = {.made = nsec_realtime()};
    uint8_t bytes[QUIC_TOKEN_MAX];

    ssize_t len = quic_token_make(c->endpoint, &token, &c->peer, NULL, bytes);
    if (len > 0)
        (void)ngtcp2_conn_submit_new_token(c->quic, bytes, (size_t)len);
}

static int on_handshake(ngtcp2_conn *quic, void *user)
{
    struct quic_connection *c = user;

    (void)quic;
    c->open = true;
    offer_token(c);
    return answer(c->events->on_open(c->owner));
}

static void set_callbacks(ngtcp2_callbacks *callbacks)
{
    *callbacks = (ngtcp2_callbacks){
        .recv_crypto_data = quic_on_crypto,
        .handshake_completed = on_handshake,
        .recv_stream_data = on_stream_data,
        .acked_stream_data_offset = on_acknowledged,
        .stream_close = on_stream_close,
        .rand = on_random,
        .get_new_connection_id = on_new_cid,
        .remove_connection_id = on_cid_gone,
        .stream_reset = on_stream_reset,
        .extend_max_stream_data = on_window,
        .get_path_challenge_data = on_path_data,
        .stream_stop_sending = on_stop,
    };
    quic_crypto_callbacks(callbacks);
}

/* ---- birth and death ---- */

static ngtcp2_path path_of(const struct quic_datagram *datagram)
{
    return (ngtcp2_path){
        .local = {(struct sockaddr *)&datagram->local->storage, datagram->local->len},
        .remote = {(struct sockaddr *)&datagram->peer->storage, datagram->peer->len},
    };
}

static void set_settings(ngtcp2_settings *settings, const struct quic_limits *limits, nsec_t now)
{
    ngtcp2_settings_default(settings);
    settings->cc_algo = NGTCP2_CC_ALGO_CUBIC;
    settings->initial_ts = quic_time(now);
    settings->max_tx_udp_payload_size = DATAGRAM_MAX;
    settings->no_pmtud = 1;
    settings->handshake_timeout =
        limits->handshake_timeout ? (ngtcp2_duration)limits->handshake_timeout : UINT64_MAX;
}

static int set_parameters(struct quic_connection *c, ngtcp2_transport_params *params,
                          const struct quic_limits *limits, const struct quic_hello *hello,
                          const ngtcp2_cid *scid)
{
    ngtcp2_transport_params_default(params);
    params->initial_max_stream_data_bidi_remote = limits->stream_window;
    params->initial_max_stream_data_uni = UNI_WINDOW;
    params->initial_max_data = limits->window;
    params->initial_max_streams_bidi = limits->streams;
    params->initial_max_streams_uni = STREAMS_UNI;
    params->max_idle_timeout = (ngtcp2_duration)limits->idle_timeout;
    params->active_connection_id_limit = CIDS_MAX;
    params->stateless_reset_token_present = 1;
    params->original_dcid_present = 1;
    const struct quic_cid *original = hello->retried ? &hello->original : &hello->dcid;
    ngtcp2_cid_init(&params->original_dcid, original->bytes, original->len);
    if (hello->retried) {
        params->retry_scid_present = 1;
        ngtcp2_cid_init(&params->retry_scid, hello->dcid.bytes, hello->dcid.len);
    }
    return quic_reset_token(c->endpoint, scid->data, scid->datalen, params->stateless_reset_token);
}

static int make(struct quic_connection *c, const struct quic_beginning *beginning, nsec_t now)
{
    const struct quic_hello *hello = beginning->hello;
    const struct quic_limits *limits = beginning->limits;
    ngtcp2_callbacks callbacks;
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid scid = {.datalen = QUIC_CID_LEN}, client, dcid;
    ngtcp2_path path = path_of(beginning->datagram);

    set_callbacks(&callbacks);
    set_settings(&settings, limits, now);
    quic_cid_make(c->endpoint, scid.data, scid.datalen);
    ngtcp2_cid_init(&client, hello->scid.bytes, hello->scid.len);
    ngtcp2_cid_init(&dcid, hello->dcid.bytes, hello->dcid.len);
    if (set_parameters(c, &params, limits, hello, &scid) < 0)
        return ERR_TLS;
    if (hello->validated) {
        settings.token = (const uint8_t *)hello->token.ptr;
        settings.tokenlen = hello->token.len;
        settings.token_type =
            hello->retried ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_NEW_TOKEN;
    }
    if (ngtcp2_conn_server_new(&c->quic, &client, &scid, &path, hello->version, &callbacks,
                               &settings, &params, NULL, c) != 0)
        return ERR_PROTOCOL;
    struct quic_cid ours = cid_of(&scid);
    c->events->on_cid(c->owner, &ours, true);
    c->first = hello->dcid;
    c->events->on_cid(c->owner, &c->first, true);
    return 0;
}

int quic_accept(const struct quic_beginning *beginning, nsec_t now,
                struct quic_connection **ret_connection)
{
    struct quic_connection *c = mem_new(struct quic_connection);

    c->endpoint = beginning->endpoint;
    c->events = beginning->events;
    c->owner = beginning->owner;
    c->cipher = "-";
    c->peer = *beginning->datagram->peer;
    c->local = *beginning->datagram->local;
    ngtcp2_ccerr_default(&c->error);
    int r = tls_quic_create(beginning->tls, &quic_handshake_events, c, &c->tls);
    if (r >= 0)
        r = make(c, beginning, now);
    if (r < 0) {
        quic_destroy(c);
        return r;
    }
    *ret_connection = c;
    return 0;
}

static void forget_cids(struct quic_connection *c)
{
    size_t count = ngtcp2_conn_get_scid(c->quic, NULL);
    ngtcp2_cid *cids = mem_zalloc((count + 1) * sizeof *cids);

    ngtcp2_conn_get_scid(c->quic, cids);
    for (size_t i = 0; i < count; i++)
        (void)on_cid_gone(c->quic, &cids[i], c);
    free(cids);
    c->events->on_cid(c->owner, &c->first, false);
}

void quic_destroy(struct quic_connection *c)
{
    if (!c)
        return;
    if (c->quic) {
        forget_cids(c);
        ngtcp2_conn_del(c->quic);
    }
    tls_quic_destroy(c->tls);
    free(c);
}

/* ---- datagrams and time ---- */

static void note_path(struct quic_connection *c)
{
    const ngtcp2_path *path = ngtcp2_conn_get_path(c->quic);

    c->peer.len = path->remote.addrlen;
    memcpy(&c->peer.storage, path->remote.addr, path->remote.addrlen);
    c->local.len = path->local.addrlen;
    memcpy(&c->local.storage, path->local.addr, path->local.addrlen);
}

int quic_receive(struct quic_connection *c, const struct quic_datagram *datagram, nsec_t now)
{
    ngtcp2_path path = path_of(datagram);
    ngtcp2_pkt_info info = {.ecn = datagram->ecn};

    int r = ngtcp2_conn_read_pkt(c->quic, &path, &info, (const uint8_t *)datagram->bytes.ptr,
                                 datagram->bytes.len, quic_time(now));
    if (r != 0)
        return quic_note_error(c, r);
    note_path(c);
    return 0;
}

nsec_t quic_expiry(const struct quic_connection *c)
{
    ngtcp2_tstamp at = ngtcp2_conn_get_expiry(c->quic);

    return at >= (ngtcp2_tstamp)NSEC_NEVER ? NSEC_NEVER : (nsec_t)at;
}

int quic_expire(struct quic_connection *c, nsec_t now)
{
    int r = ngtcp2_conn_handle_expiry(c->quic, quic_time(now));

    return r == 0 ? 0 : quic_note_error(c, r);
}

/* ---- streams ---- */

bool quic_is_open(const struct quic_connection *c)
{
    return c->open;
}

int quic_open_stream(struct quic_connection *c, int64_t *ret_id)
{
    return ngtcp2_conn_open_uni_stream(c->quic, ret_id, NULL) == 0 ? 0 : ERR_PROTOCOL;
}

void quic_extend(struct quic_connection *c, int64_t id, uint64_t bytes, bool connection)
{
    if (id >= 0)
        (void)ngtcp2_conn_extend_max_stream_offset(c->quic, id, bytes);
    if (connection)
        ngtcp2_conn_extend_max_offset(c->quic, bytes);
}

void quic_allow_stream(struct quic_connection *c)
{
    ngtcp2_conn_extend_max_streams_bidi(c->quic, 1);
}

void quic_shut_stream(struct quic_connection *c, int64_t id, uint64_t code, bool reads)
{
    if (reads)
        (void)ngtcp2_conn_shutdown_stream_read(c->quic, 0, id, code);
    else
        (void)ngtcp2_conn_shutdown_stream_write(c->quic, 0, id, code);
}

void quic_keep_alive(struct quic_connection *c, nsec_t interval)
{
    ngtcp2_conn_set_keep_alive_timeout(c->quic, interval ? (ngtcp2_duration)interval : UINT64_MAX);
}

const struct quic_address *quic_peer(const struct quic_connection *c)
{
    return &c->peer;
}

const char *quic_cipher(const struct quic_connection *c)
{
    return c->cipher;
}

bool quic_resumed(const struct quic_connection *c)
{
    return c->resumed;
}
