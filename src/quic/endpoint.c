/* Datagrams of no connection: version negotiation, Retry, stateless reset, or a beginning. */
#include "quic/endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/mem.h"
#include "quic/internal.h"

enum {
    RESET_MIN = 43, /* shorter ones may be resets themselves: answering would go on for ever */
    RESET_MAX = 42,
    VERSION_MIN = 1200, /* RFC 9000 section 14.1 */
};

int quic_endpoint_create(struct tls_library *library, const uint8_t *secret, uint8_t index,
                         struct quic_endpoint **ret_endpoint)
{
    struct quic_endpoint *endpoint = mem_new(struct quic_endpoint);
    const struct span secret_span = {(const char *)secret, QUIC_SECRET_SIZE};
    static const struct span label[2] = {SPAN("gardien token"), SPAN("")};
    unsigned char key[16];

    endpoint->library = library;
    endpoint->index = index;
    memcpy(endpoint->secret, secret, sizeof endpoint->secret);
    int r = tls_quic_derive(library, secret_span, label, key, sizeof key);
    if (r >= 0)
        r = tls_quic_aead_make(library, key, &endpoint->tokens);
    if (r >= 0)
        r = tls_quic_aead_make(library, (const unsigned char *)NGTCP2_RETRY_KEY_V1,
                               &endpoint->retry);
    explicit_bzero(key, sizeof key);
    if (r < 0) {
        quic_endpoint_destroy(endpoint);
        return r;
    }
    *ret_endpoint = endpoint;
    return 0;
}

void quic_endpoint_destroy(struct quic_endpoint *endpoint)
{
    if (!endpoint)
        return;
    tls_quic_cipher_destroy(endpoint->tokens);
    tls_quic_cipher_destroy(endpoint->retry);
    explicit_bzero(endpoint, sizeof *endpoint);
    free(endpoint);
}

static struct quic_cid cid_of(const uint8_t *bytes, size_t len)
{
    struct quic_cid cid = {.len = (uint8_t)(len < QUIC_CID_MAX ? len : QUIC_CID_MAX)};

    memcpy(cid.bytes, bytes, cid.len);
    return cid;
}

int quic_destination(struct span datagram, struct quic_cid *ret_cid)
{
    ngtcp2_version_cid ids;

    if (datagram.len == 0) /* it would be a mistake of ours to ngtcp2 */
        return ERR_SYNTAX;
    int r = ngtcp2_pkt_decode_version_cid(&ids, (const uint8_t *)datagram.ptr, datagram.len,
                                          QUIC_CID_LEN);
    if ((r != 0 && r != NGTCP2_ERR_VERSION_NEGOTIATION) || ids.dcidlen > QUIC_CID_MAX)
        return ERR_SYNTAX;
    *ret_cid = cid_of(ids.dcid, ids.dcidlen);
    return 0;
}

/* Long connection IDs of other versions are answered too (RFC 8999 section 5). */
static size_t negotiate(struct span datagram, const ngtcp2_version_cid *ids, uint8_t *reply)
{
    static const uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
    uint8_t unused;

    if (datagram.len < VERSION_MIN || ids->dcidlen + ids->scidlen > QUIC_REPLY_MAX - 16 ||
        getrandom(&unused, 1, 0) != 1)
        return 0;
    ngtcp2_ssize len =
        ngtcp2_pkt_write_version_negotiation(reply, QUIC_REPLY_MAX, unused, ids->scid, ids->scidlen,
                                             ids->dcid, ids->dcidlen, versions, 1);
    return len > 0 ? (size_t)len : 0;
}

static size_t reset(const struct quic_endpoint *endpoint, struct span datagram,
                    const ngtcp2_version_cid *ids, uint8_t *reply)
{
    uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN], noise[RESET_MAX];

    if (datagram.len < RESET_MIN || ids->dcidlen != QUIC_CID_LEN ||
        quic_reset_token(endpoint, ids->dcid, ids->dcidlen, token) < 0 ||
        getrandom(noise, sizeof noise, 0) != sizeof noise)
        return 0;
    ngtcp2_ssize len =
        ngtcp2_pkt_write_stateless_reset(reply, RESET_MAX, token, noise, RESET_MAX - sizeof token);
    return len > 0 ? (size_t)len : 0;
}

static size_t retry(struct quic_endpoint *endpoint, const ngtcp2_pkt_hd *header,
                    const struct quic_address *peer, uint8_t *reply)
{
    struct quic_token token = {.original = cid_of(header->dcid.data, header->dcid.datalen),
                               .made = nsec_realtime(),
                               .retry = true};
    struct quic_cid scid = {.len = QUIC_CID_LEN};
    uint8_t bytes[QUIC_TOKEN_MAX];
    ngtcp2_cid ours;

    quic_cid_make(endpoint, scid.bytes, scid.len);
    ngtcp2_cid_init(&ours, scid.bytes, scid.len);
    ssize_t made = quic_token_make(endpoint, &token, peer, &scid, bytes);
    if (made < 0)
        return 0;
    ngtcp2_crypto_aead_ctx context = {endpoint->retry};
    ngtcp2_ssize len = ngtcp2_pkt_write_retry(reply, QUIC_REPLY_MAX, header->version, &header->scid,
                                              &ours, &header->dcid, bytes, (size_t)made,
                                              quic_seal_packet, &quic_initial_aead, &context);
    return len > 0 ? (size_t)len : 0;
}

/* A token of ours that is not good any more is as none (RFC 9000 section 8.1.3). */
static bool vouch(struct quic_endpoint *endpoint, const ngtcp2_pkt_hd *header,
                  const struct quic_address *peer, struct quic_hello *hello)
{
    struct quic_token token;

    if (header->tokenlen == 0 ||
        quic_token_open(endpoint, span_of((const char *)header->token, header->tokenlen), peer,
                        &hello->dcid, &token) < 0)
        return false;
    hello->validated = true;
    hello->retried = token.retry;
    hello->original = token.original;
    return true;
}

enum quic_look quic_look(struct quic_endpoint *endpoint, const struct quic_datagram *datagram,
                         bool must_retry, nsec_t now, struct quic_hello *ret_hello, uint8_t *reply,
                         size_t *ret_len)
{
    const uint8_t *bytes = (const uint8_t *)datagram->bytes.ptr;
    size_t len = datagram->bytes.len;
    ngtcp2_version_cid ids;
    ngtcp2_pkt_hd header;

    (void)now;
    *ret_len = 0;
    int r = ngtcp2_pkt_decode_version_cid(&ids, bytes, len, QUIC_CID_LEN);
    if (r == NGTCP2_ERR_VERSION_NEGOTIATION)
        *ret_len = negotiate(datagram->bytes, &ids, reply);
    else if (r == 0 && !(bytes[0] & 0x80))
        *ret_len = reset(endpoint, datagram->bytes, &ids, reply);
    if (r != 0 || !(bytes[0] & 0x80))
        return *ret_len ? QUIC_REPLY : QUIC_DROP;
    if (ids.version != NGTCP2_PROTO_VER_V1 || ngtcp2_accept(&header, bytes, len) != 0)
        return QUIC_DROP;
    *ret_hello = (struct quic_hello){.dcid = cid_of(header.dcid.data, header.dcid.datalen),
                                     .scid = cid_of(header.scid.data, header.scid.datalen),
                                     .token = span_of((const char *)header.token, header.tokenlen),
                                     .version = header.version};
    if (vouch(endpoint, &header, datagram->peer, ret_hello) || !must_retry)
        return QUIC_BEGIN;
    *ret_len = retry(endpoint, &header, datagram->peer, reply);
    return *ret_len ? QUIC_REPLY : QUIC_DROP;
}
