/* Tokens that show that a client has its address (RFC 9000 section 8.1), and those of stateless
 * resets (section 10.3). They are sealed, so that nobody keeps anything for them. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "quic/internal.h"

enum {
    PLAIN_MAX = 1 + 8 + 1 + QUIC_CID_MAX,
    EXTRA_MAX = 1 + 16 + 2 + QUIC_CID_MAX,
};
#define RETRY_TIME (10 * NSEC_PER_SEC)
#define TOKEN_TIME (24 * 3600 * NSEC_PER_SEC)

static void fill_random(uint8_t *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len)
        abort(); /* of at most 256 bytes it gives all, once the system has begun */
}

void quic_cid_make(const struct quic_endpoint *endpoint, uint8_t *out, size_t len)
{
    fill_random(out, len);
    out[0] = endpoint->index;
    out[1] = endpoint->index ^ QUIC_CID_MARK;
    out[2] = endpoint->index ^ QUIC_CID_MARK_2;
}

int quic_reset_token(const struct quic_endpoint *endpoint, const uint8_t *cid, size_t len,
                     uint8_t *out)
{
    const struct span label[2] = {SPAN("gardien reset"), {(const char *)cid, len}};

    return tls_quic_derive(endpoint->library,
                           span_of((const char *)endpoint->secret, sizeof endpoint->secret), label,
                           out, NGTCP2_STATELESS_RESET_TOKENLEN);
}

/* The address, with the port for Retry: what follows comes at once. A later connection has another.
 */
static size_t put_address(const struct quic_address *peer, bool port, uint8_t *out)
{
    const struct sockaddr_in6 *in6 = (const void *)&peer->storage;
    const struct sockaddr_in *in = (const void *)&peer->storage;
    bool six = peer->storage.ss_family == AF_INET6;
    size_t len = six ? 16 : 4;

    memcpy(out, six ? (const void *)&in6->sin6_addr : (const void *)&in->sin_addr, len);
    if (port)
        memcpy(out + len, six ? &in6->sin6_port : &in->sin_port, 2);
    return len + (port ? 2 : 0);
}

/* What a token is bound to without containing it. */
static struct span bound_to(const struct quic_address *peer, const struct quic_cid *scid,
                            bool retry, uint8_t *room)
{
    size_t len = 1 + put_address(peer, retry, room + 1);

    room[0] = retry;
    if (retry) {
        memcpy(room + len, scid->bytes, scid->len);
        len += scid->len;
    }
    return span_of((const char *)room, len);
}

ssize_t quic_token_make(struct quic_endpoint *endpoint, const struct quic_token *token,
                        const struct quic_address *peer, const struct quic_cid *scid, uint8_t *out)
{
    uint8_t plain[PLAIN_MAX] = {0}, extra[EXTRA_MAX];
    size_t len = 0;

    plain[len++] = token->retry;
    for (unsigned i = 0; i < 8; i++)
        plain[len++] = (uint8_t)((uint64_t)token->made >> (8 * i));
    plain[len++] = token->original.len;
    memcpy(plain + len, token->original.bytes, token->original.len);
    len += token->original.len;
    out[0] = token->retry;
    fill_random(out + 1, TLS_QUIC_IV);
    int r = tls_quic_seal(endpoint->tokens, span_of((char *)plain, len), out + 1,
                          bound_to(peer, scid, token->retry, extra), out + 1 + TLS_QUIC_IV);
    return r < 0 ? r : (ssize_t)(1 + TLS_QUIC_IV + len + TLS_QUIC_TAG);
}

static int read_token(struct span plain, bool retry, struct quic_token *token)
{
    const uint8_t *at = (const uint8_t *)plain.ptr;
    uint64_t made = 0;

    if (plain.len < 10 || at[0] != retry || at[9] > QUIC_CID_MAX || plain.len != 10u + at[9])
        return ERR_TLS;
    for (unsigned i = 0; i < 8; i++)
        made |= (uint64_t)at[1 + i] << (8 * i);
    *token = (struct quic_token){.made = (nsec_t)made, .retry = retry, .original.len = at[9]};
    memcpy(token->original.bytes, at + 10, at[9]);
    return 0;
}

int quic_token_open(struct quic_endpoint *endpoint, struct span bytes,
                    const struct quic_address *peer, const struct quic_cid *scid,
                    struct quic_token *ret_token)
{
    const size_t around = 1 + TLS_QUIC_IV + TLS_QUIC_TAG;
    uint8_t plain[PLAIN_MAX], extra[EXTRA_MAX];
    struct quic_token token;
    const uint8_t *at = (const uint8_t *)bytes.ptr;

    if (bytes.len < around || bytes.len > around + PLAIN_MAX || at[0] > 1)
        return ERR_TLS;
    bool retry = at[0] == 1;
    int r = tls_quic_open(endpoint->tokens, span_from(bytes, 1 + TLS_QUIC_IV), at + 1,
                          bound_to(peer, scid, retry, extra), plain);
    if (r >= 0)
        r = read_token(span_of((char *)plain, bytes.len - around), retry, &token);
    if (r < 0)
        return r;
    nsec_t age = nsec_realtime() - token.made;
    if (age < -NSEC_PER_SEC || age > (retry ? RETRY_TIME : TOKEN_TIME))
        return ERR_TLS;
    *ret_token = token;
    return 0;
}
