/* Frame sequences that parse: each few bytes of the input become one well-formed frame, a request
 * from a table among them, or an act of the owner. */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAYLOAD_MAX = 2048 };

struct source {
    const uint8_t *at;
    size_t left;
};

static uint8_t take_byte(struct source *source)
{
    if (source->left == 0)
        return 0;
    source->left--;
    return *source->at++;
}

static bool send_frame(struct owner *owner, const uint8_t header[5], const void *payload,
                       size_t len)
{
    uint8_t *frame = malloc(9 + len); /* type, flags, stream in three bytes */

    memcpy(frame,
           (uint8_t[]){(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, header[0],
                       header[1], 0, header[2], header[3], header[4]},
           9);
    if (len)
        memcpy(frame + 9, payload, len);
    bool going = owner_feed(owner, frame, 9 + len);
    free(frame);
    return going;
}

#define NV(n, v)                                                                                   \
    {                                                                                              \
        (uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, sizeof(v) - 1, 0                            \
    }

/** A request's HEADERS: the four pseudo-headers, each perhaps missing, and some of a table. */
static bool send_request(struct owner *owner, struct source *source, nghttp2_hd_deflater *deflater)
{
    static const nghttp2_nv table[] = {
        NV(":path", "/a?b"),
        NV("host", "a"),
        NV("cookie", "a=1"),
        NV("cookie", "b=2"),
        NV("content-length", "5"),
        NV("expect", "100-continue"),
        NV("priority", "u=1, i"),
        NV("te", "trailers"),
        NV(":method", "HEAD"),
        NV("x-long", "0123456789012345678901234567890123456789"),
        NV("content-length", "99999"),
        NV("host", "b"),
        NV("X-Upper", "1"),
        NV("connection", "close"),
        NV("x", ""),
        NV(":path", "*"),
    };
    static const nghttp2_nv pseudo[] = {NV(":method", "POST"), NV(":scheme", "https"),
                                        NV(":authority", "a"), NV(":path", "/")};
    uint8_t which = take_byte(source), flags = take_byte(source), id = take_byte(source);
    uint8_t block[PAYLOAD_MAX];
    nghttp2_nv nva[20];
    size_t count = 0;

    for (size_t i = 0; i < 4; i++)
        if ((which & 7) != i || which & 8)
            nva[count++] = pseudo[i];
    for (int extra = which >> 4; extra > 0; extra--)
        nva[count++] = table[take_byte(source) % ARRAY_SIZE(table)];
    ssize_t len = nghttp2_hd_deflate_hd(deflater, block, sizeof block, nva, count);
    if (len < 0)
        abort();
    const uint8_t header[5] = {NGHTTP2_HEADERS, flags & (0xff ^ 0x28), 0, 0, id};
    return send_frame(owner, header, block, (size_t)len);
}

static bool send_any(struct owner *owner, struct source *source, uint8_t type)
{
    uint8_t header[5] = {type, take_byte(source), 0, 0, take_byte(source)};
    size_t len = (size_t)take_byte(source) * 4;

    switch (type) { /* the length that the frame must have, most of the time */
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_WINDOW_UPDATE:
        len = 4;
        break;
    case NGHTTP2_PRIORITY:
        len = 5;
        break;
    case NGHTTP2_PING:
        len = 8;
        header[4] = 0;
        break;
    case NGHTTP2_SETTINGS:
        len = len % 5 * 6;
        header[4] = 0;
        break;
    default:
        break;
    }
    len = len < source->left ? len : source->left;
    const uint8_t *payload = source->at;
    source->at += len;
    source->left -= len;
    return send_frame(owner, header, payload, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {
        NGHTTP2_DATA, NGHTTP2_HEADERS,       NGHTTP2_PRIORITY,     NGHTTP2_RST_STREAM,
        NGHTTP2_DATA, NGHTTP2_SETTINGS,      NGHTTP2_PUSH_PROMISE, NGHTTP2_PING,
        NGHTTP2_DATA, NGHTTP2_WINDOW_UPDATE, NGHTTP2_CONTINUATION, NGHTTP2_PRIORITY_UPDATE,
        NGHTTP2_DATA, NGHTTP2_WINDOW_UPDATE, NGHTTP2_GOAWAY,       0x7f,
    };
    struct source source = {data, size};
    struct owner owner;
    nghttp2_hd_deflater *deflater;

    if (nghttp2_hd_deflate_new(&deflater, 4096) != 0)
        abort();
    owner_start(&owner, take_byte(&source) * UINT64_C(0x9e3779b97f4a7c15) + take_byte(&source));
    bool going = send_frame(&owner, (const uint8_t[]){NGHTTP2_SETTINGS, 0, 0, 0, 0}, NULL, 0);
    while (source.left && going) {
        uint8_t op = take_byte(&source);
        if (op < 96)
            going = send_request(&owner, &source, deflater);
        else if (op < 224)
            going = send_any(&owner, &source, types[op % 16]);
        else
            owner_act(&owner, take_byte(&source));
    }
    owner_stop(&owner);
    nghttp2_hd_deflate_del(deflater);
    return 0;
}
