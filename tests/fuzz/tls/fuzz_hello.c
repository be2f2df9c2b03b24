/* ClientHellos: raw bytes as they come from the net, or hostile bodies of the extensions for names
 * and protocols in an otherwise good TLS 1.2 hello. What our callbacks are told must keep its
 * promises. */
#include <stdlib.h>
#include <string.h>

#include "../../unit/tls/peer_support.h"
#include "base/error.h"
#include "base/mem.h"

enum { ROOM = 1 << 18 };

struct world {
    struct tls_library *library;
    struct tls_context *first;
    struct tls_context *site;
};

/* Lower case, at most 255 bytes and without NUL; some names have no site. */
static struct tls_context *choose(void *owner, struct span name)
{
    const struct world *world = owner;

    if (name.len > 255)
        abort();
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '\0' || (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z'))
            abort();
    return span_starts(name, SPAN("refused")) ? NULL : world->site;
}

static void make_world(struct world *world)
{
    static const unsigned char tickets[1][TLS_TICKET_KEY_SIZE] = {{1}};
    struct tls_settings settings = {0};
    struct tls_certificate certificate;
    char *pem;

    make_certificate("EC", "localhost", &certificate.key, &pem);
    certificate.chain_pem = span_str(pem);
    if (tls_library_create(&world->library) < 0 ||
        tls_context_create(&settings, world->library, NULL, 0, &world->first) < 0 ||
        tls_context_create(&settings, world->library, &certificate, 1, &world->site) < 0)
        abort();
    tls_library_set_tickets(world->library, tickets, 1);
    tls_context_set_choose(world->first, choose, world);
    tls_certificate_finish(&certificate);
    free(pem);
}

/* ---- a hello around two extensions ---- */

static void put(unsigned char **at, const void *bytes, size_t len)
{
    memcpy(*at, bytes, len);
    *at += len;
}

static void put_number(unsigned char *at, size_t number, int bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (unsigned char)number;
        number >>= 8;
    }
}

static void put_extension(unsigned char **at, unsigned type, struct span body)
{
    put_number(*at, type, 2);
    put_number(*at + 2, body.len, 2);
    *at += 4;
    put(at, body.ptr, body.len);
}

/* @return length of the record */
static size_t make_hello(struct span name, struct span protocols, unsigned char *out)
{
    static const char middle[] = "\0"                   /* no session id */
                                 "\0\4\xc0\x2b\xc0\x2f" /* two suites */
                                 "\1\0";                /* no compression */
    unsigned char *hello = out + 5, *at = hello + 4;

    put(&at, "\3\3", 2);
    memset(at, 7, 32);
    at += 32;
    put(&at, middle, sizeof middle - 1);
    unsigned char *extensions = at;
    at += 2;
    put_extension(&at, 10, SPAN("\0\2\0\x17"));     /* groups */
    put_extension(&at, 13, SPAN("\0\4\4\3\x08\4")); /* signatures */
    put_extension(&at, 0, name);
    put_extension(&at, 16, protocols);
    put_number(extensions, (size_t)(at - extensions) - 2, 2);
    hello[0] = 1;
    put_number(hello + 1, (size_t)(at - hello) - 4, 3);
    memcpy(out, "\x16\3\1", 3);
    put_number(out + 3, (size_t)(at - hello), 2);
    return (size_t)(at - out);
}

static void shake_hands(struct world *world, const unsigned char *bytes, size_t len, size_t step)
{
    static char out[ROOM];
    struct tls_session *session;
    int r = 0;

    if (tls_session_create(world->first, &session) < 0)
        abort();
    for (size_t at = 0; r == 0 && at < len;) {
        size_t end = len - at < step ? len : at + step;
        struct tls_io io = {
            .in = span_of((const char *)bytes + at, end - at), .out = out, .out_cap = ROOM};
        r = tls_handshake(session, &io);
        if (io.out_len > TLS_OUT_MIN || r == 1) /* without a Finished nothing is complete */
            abort();
        at = end - io.in.len;
        if (r == 0 && io.in.len > 0)
            abort();
    }
    (void)tls_last_error();
    tls_session_destroy(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    static unsigned char hello[4096];

    if (size < 2 || size > 20000)
        return 0;
    if (!world.library)
        make_world(&world);
    size_t step = data[0] & 2 ? (size_t)(data[0] >> 2) + 1 : size;
    if (data[0] & 1) {
        const char *bytes = (const char *)data + 2;
        size_t left = size - 2 < 3000 ? size - 2 : 3000;
        size_t name = (size_t)data[1] * 2 < left ? (size_t)data[1] * 2 : left;
        size_t len = make_hello(span_of(bytes, name), span_of(bytes + name, left - name), hello);
        shake_hands(&world, hello, len, step);
    } else {
        shake_hands(&world, data + 1, size - 1, step);
    }
    return 0;
}
