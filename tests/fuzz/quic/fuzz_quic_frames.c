/* Frames of Initial packets, well sealed: each packet's has its length in two bytes in front. */
#include <stdlib.h>
#include <string.h>

#include "peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DATAGRAM = 1200, HEADER = 1 + 4 + 1 + 8 + 1 + 8 + 1 + 2, NUMBER = 4 };

static const struct span dcid = SPAN("destinat");

static struct tls_quic_keys client_keys(struct peer *peer)
{
    unsigned char client[32], server[32];
    struct tls_quic_keys keys;

    if (tls_quic_initial_secrets(peer->library, dcid, client, server) < 0 ||
        tls_quic_keys_make(peer->library, TLS_QUIC_AES_128, span_of((char *)client, 32), &keys) < 0)
        abort();
    return keys;
}

static void seal(struct tls_quic_keys *keys, uint8_t *packet, uint8_t number)
{
    const size_t length = DATAGRAM - HEADER;
    unsigned char nonce[TLS_QUIC_IV], mask[TLS_QUIC_MASK];

    packet[0] = 0xc3;
    memcpy(packet + 1, "\0\0\0\1\x08", 5);
    memcpy(packet + 6, dcid.ptr, 8);
    memcpy(packet + 14, "\x08source_1\0", 10);
    packet[24] = (uint8_t)(0x40 | length >> 8);
    packet[25] = (uint8_t)length;
    memcpy(packet + HEADER, (uint8_t[NUMBER]){0, 0, 0, number}, NUMBER);
    memcpy(nonce, keys->iv, sizeof nonce);
    nonce[TLS_QUIC_IV - 1] ^= number;
    uint8_t *payload = packet + HEADER + NUMBER;
    if (tls_quic_seal(keys->aead, span_of((char *)payload, length - NUMBER - TLS_QUIC_TAG), nonce,
                      span_of((char *)packet, HEADER + NUMBER), payload) < 0 ||
        tls_quic_mask(keys->header, payload, mask) < 0)
        abort();
    packet[0] ^= mask[0] & 15;
    for (unsigned i = 0; i < NUMBER; i++)
        packet[HEADER + i] ^= mask[1 + i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t room = DATAGRAM - HEADER - NUMBER - TLS_QUIC_TAG;
    struct peer *peer = peer_get();
    struct tls_quic_keys keys = client_keys(peer);
    uint8_t packet[DATAGRAM];

    for (uint8_t number = 0; size > 2 && number < 100; number++) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        len = len < size ? len : size;
        len = len < room ? len : room;
        memset(packet, 0, sizeof packet); /* what is left are PADDING frames */
        memcpy(packet + HEADER + NUMBER, data, len);
        seal(&keys, packet, number);
        peer_take(peer, span_of((char *)packet, sizeof packet));
        data += len;
        size -= len;
    }
    peer_end(peer);
    tls_quic_cipher_destroy(keys.aead);
    tls_quic_cipher_destroy(keys.header);
    return 0;
}
