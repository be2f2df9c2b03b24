/* How connections end. */
#include "base/error.h"
#include "quic/internal.h"

enum { CLOSE_MAX = 1200 };

void quic_fail(struct quic_connection *c, uint64_t code)
{
    if (c->failed)
        return;
    c->failed = true;
    ngtcp2_ccerr_set_application_error(&c->error, code, NULL, 0);
}

void quic_fail_transport(struct quic_connection *c, uint64_t code)
{
    if (c->failed)
        return;
    c->failed = true;
    ngtcp2_ccerr_set_transport_error(&c->error, code, NULL, 0);
}

int quic_note_error(struct quic_connection *c, int error)
{
    switch (error) {
    case NGTCP2_ERR_DRAINING:
    case NGTCP2_ERR_CLOSING:
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY: /* that is decided before a connection begins */
    case NGTCP2_ERR_IDLE_CLOSE:
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
        c->no_more = true;
        return ERR_CLOSED;
    default:
        break;
    }
    if (!c->failed) {
        c->failed = true;
        if (error == NGTCP2_ERR_CRYPTO)
            ngtcp2_ccerr_set_tls_alert(&c->error, ngtcp2_conn_get_tls_alert(c->quic), NULL, 0);
        else
            ngtcp2_ccerr_set_liberr(&c->error, error, NULL, 0);
    }
    return ERR_PROTOCOL;
}

void quic_close(struct quic_connection *c, nsec_t now)
{
    uint8_t packet[CLOSE_MAX];
    ngtcp2_path_storage path;
    ngtcp2_pkt_info info;

    if (c->no_more)
        return;
    c->no_more = true;
    if (!c->failed)
        ngtcp2_ccerr_set_application_error(&c->error, 0x100, NULL, 0); /* H3_NO_ERROR */
    ngtcp2_path_storage_zero(&path);
    ngtcp2_ssize len = ngtcp2_conn_write_connection_close(c->quic, &path.path, &info, packet,
                                                          sizeof packet, &c->error, quic_time(now));
    if (len > 0)
        c->events->send(c->owner,
                        &(struct quic_batch){.bytes = span_of((char *)packet, (size_t)len),
                                             .segment = (size_t)len,
                                             .local = c->local,
                                             .peer = c->peer});
}
