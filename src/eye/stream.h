/* Lines over TLS over a socket, for either end, with one deadline for all that is waited for. */
#pragma once

#include "base/buffer.h"
#include "tls/tls.h"

struct eye_stream {
    int fd;                     /**< does not block */
    struct tls_session *server; /**< one of the two */
    struct tls_client *client;
    nsec_t deadline; /**< monotonic */
    /* private */
    struct buffer sealed, plain;
    char *out;
};

/** Takes over one of the sessions, not the socket. */
void eye_stream_init(struct eye_stream *stream, int fd, struct tls_session *server,
                     struct tls_client *client);
void eye_stream_finish(struct eye_stream *stream);
/** Each of these: @return 0, ERR_TIMEOUT, ERR_CLOSED, ERR_TLS, or -errno */
must_check int eye_stream_handshake(struct eye_stream *stream);
must_check int eye_stream_write(struct eye_stream *stream, struct span bytes);
/** Reads up to a newline, which is left out.
 *  @return also ERR_LIMIT when no newline is among the first `max` bytes */
must_check int eye_stream_read_line(struct eye_stream *stream, size_t max, struct buffer *ret_line);
/** Says that no more will come. */
void eye_stream_close(struct eye_stream *stream);
