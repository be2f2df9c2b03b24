/* Records after the handshake: raw bytes as they come from the net, and well-sealed records whose
 * content is hostile. Half of the inputs are read whole, half in pieces. */
#include <stdlib.h>
#include <string.h>

#include "../../unit/tls/peer_support.h"
#include "base/error.h"
#include "base/mem.h"

enum { ROOM = 1 << 17 };

static struct records *make_records(const struct schedule *schedule, struct forger *forger)
{
    static EVP_CIPHER *cipher;
    static struct record_suite suite;
    struct traffic_secrets secrets = {.len = 32, .has_client = true, .has_server = true};
    struct records *records;

    if (!cipher) {
        cipher = EVP_CIPHER_fetch(schedule->library, "AES-128-GCM", NULL);
        suite = (struct record_suite){cipher, &schedule->sha256, 16};
    }
    memset(secrets.client, 1, 32);
    memset(secrets.server, 2, 32);
    if (records_create(&suite, &secrets, &(struct records_written){0}, &records) < 0)
        abort();
    forger_init(forger, schedule, span_of((const char *)secrets.client, 32));
    return records;
}

/* Cuts the input into inner plaintexts by a length byte each, and seals them. */
static size_t forge(struct forger *forger, const uint8_t *data, size_t size, unsigned char *out)
{
    size_t len = 0;

    while (size > 1 && len < ROOM - 512) {
        size_t part = data[0] < size - 1 ? data[0] : size - 1;
        len += forger_seal(forger, span_of((const char *)data + 1, part), out + len);
        data += 1 + part;
        size -= 1 + part;
    }
    return len;
}

static void feed(struct records *records, const unsigned char *bytes, size_t len, size_t step)
{
    static char out[ROOM], plain[RECORD_SEALED_MAX];
    size_t begun = 0;
    ssize_t n = 0;

    for (size_t end = step < len ? step : len; n >= 0 && begun < len;) {
        struct tls_io io = {
            .in = span_of((const char *)bytes + begun, end - begun), .out = out, .out_cap = ROOM};
        while ((n = records_open(records, &io, plain)) > 0)
            if (n > RECORD_PLAIN_MAX)
                abort();
        begun = end - io.in.len;
        if (end == len)
            break;
        end = end + step < len ? end + step : len;
    }
    struct tls_io io = {.out = out, .out_cap = ROOM};
    int r = records_seal(records, &io, SPAN("answer"));
    if (n == ERR_TLS && r != ERR_TLS)
        abort(); /* a session that failed must stay silent */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct schedule *schedule;
    static unsigned char bytes[ROOM];
    struct forger forger;

    if (size < 2 || size > 60000)
        return 0;
    if (!schedule && schedule_create(&schedule) < 0)
        abort();
    struct records *records = make_records(schedule, &forger);
    size_t len = size - 1;
    if (data[0] & 1)
        len = forge(&forger, data + 1, size - 1, bytes);
    else
        memcpy(bytes, data + 1, len);
    feed(records, bytes, len, data[0] & 2 ? (size_t)(data[0] >> 2) + 1 : len);
    records_destroy(records);
    forger_finish(&forger);
    return 0;
}
