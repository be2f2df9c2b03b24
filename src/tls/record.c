/* Sealing and opening of records, key updates, and the refusal of everything else. */
#include "tls/record.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"
#include "tls/session.h"

enum {
    TAG = 16,
    NONCE = 12,
    KEY_MAX = 32,
    TYPE_CHANGE_CIPHER = 20,
    TYPE_ALERT = 21,
    TYPE_HANDSHAKE = 22,
    TYPE_DATA = 23,
    KEY_UPDATE = 24,      /* handshake type */
    KEY_UPDATE_BYTES = 5, /* its header, and one byte */
    ALERT_WARNING = 1,
    ALERT_FATAL = 2,
    EMPTY_RECORDS_MAX = 32, /* in a row; user_canceled is as good as one */
    KEY_UPDATES_MAX = 64,   /* by the peer, without 1 MiB of data between */
    DATA_PER_UPDATE = 1 << 20,
};

enum alert {
    CLOSE_NOTIFY = 0,
    UNEXPECTED_MESSAGE = 10,
    BAD_RECORD_MAC = 20,
    RECORD_OVERFLOW = 22,
    ILLEGAL_PARAMETER = 47,
    DECODE_ERROR = 50,
    INTERNAL_ERROR = 80,
    USER_CANCELED = 90,
};

/* RFC 8446 section 5.5: AES-GCM keys seal at most 2^24.5 full records. */
static const uint64_t RECORDS_PER_KEY = UINT64_C(1) << 24;

struct side {
    EVP_CIPHER_CTX *cipher; /* holds the key */
    unsigned char secret[SECRET_MAX];
    unsigned char iv[NONCE];
    uint64_t sequence;
};

struct records {
    const struct record_suite *suite;
    struct side reading;
    struct side writing;
    unsigned secret_len;
    unsigned empty_records;
    unsigned key_updates;
    unsigned char message[KEY_UPDATE_BYTES]; /* the beginning of a handshake message */
    unsigned message_len;
    uint64_t data_read; /* since the peer's last key update was counted */
    bool over;          /* nothing more is read or written */
};

/* ---- keys ---- */

/* Gives the cipher a key and the side's iv. */
static int arm(const struct records *records, struct side *side, const unsigned char *key,
               bool sealing)
{
    return EVP_CipherInit_ex2(side->cipher, records->suite->cipher, key, side->iv, sealing, NULL) ==
                   1
               ? 0
               : ERR_TLS;
}

/* Section 7.3: key and iv from the traffic secret. */
static int derive_keys(const struct records *records, struct side *side, unsigned char key[KEY_MAX])
{
    const struct record_suite *suite = records->suite;
    const struct span secret = {(const char *)side->secret, records->secret_len};

    int r = schedule_expand(suite->digest, secret, SPAN("key"), SPAN(""), key, suite->key_len);
    if (r >= 0)
        r = schedule_expand(suite->digest, secret, SPAN("iv"), SPAN(""), side->iv, sizeof side->iv);
    return r;
}

static int set_keys(const struct records *records, struct side *side, bool sealing)
{
    unsigned char key[KEY_MAX];

    int r = derive_keys(records, side, key);
    if (r >= 0)
        r = arm(records, side, key, sealing);
    OPENSSL_cleanse(key, sizeof key);
    return r;
}

/* Section 7.2: the next generation of a traffic secret. */
static int update_keys(const struct records *records, struct side *side, bool sealing)
{
    unsigned char next[SECRET_MAX];

    int r = schedule_expand(records->suite->digest,
                            span_of((const char *)side->secret, records->secret_len),
                            SPAN("traffic upd"), SPAN(""), next, records->secret_len);
    if (r >= 0) {
        memcpy(side->secret, next, records->secret_len);
        side->sequence = 0;
        r = set_keys(records, side, sealing);
    }
    OPENSSL_cleanse(next, sizeof next);
    return r;
}

void records_destroy(struct records *records)
{
    if (!records)
        return;
    EVP_CIPHER_CTX_free(records->reading.cipher);
    EVP_CIPHER_CTX_free(records->writing.cipher);
    OPENSSL_cleanse(records, sizeof *records);
    free(records);
}

/* Section 5.3: the sequence number, big-endian, over the end of the iv. */
static void make_nonce(const struct side *side, unsigned char nonce[NONCE])
{
    memcpy(nonce, side->iv, NONCE);
    for (int i = 0; i < 8; i++)
        nonce[NONCE - 1 - i] ^= (unsigned char)(side->sequence >> (8 * i));
}

/* ---- the beginning ---- */

static int open_record(struct side *side, const unsigned char *record, size_t sealed,
                       unsigned char *out);

/* The last record that libssl sealed opens with the number before ours, and with no other: this key
 * has sealed just so many records, and no nonce is used twice, which would be the end of AES-GCM.
 */
static int prove_sequence(struct side *side, struct span last)
{
    unsigned char plain[RECORD_SEALED_MAX];
    size_t sealed = last.len - RECORD_HEADER;

    if (last.len <= RECORD_HEADER + TAG || sealed > sizeof plain)
        return ERR_TLS;
    side->sequence--;
    int r = open_record(side, (const unsigned char *)last.ptr, sealed, plain); /* counts it again */
    OPENSSL_cleanse(plain, sealed);
    return r < 0 ? ERR_TLS : 0;
}

static int begin_writing(struct records *records, const struct records_written *written)
{
    struct side *side = &records->writing;
    unsigned char key[KEY_MAX];

    side->sequence = written->count;
    int r = derive_keys(records, side, key);
    if (r >= 0 && written->count > 0) {
        r = arm(records, side, key, false);
        if (r >= 0)
            r = prove_sequence(side, written->last);
    }
    if (r >= 0)
        r = arm(records, side, key, true);
    OPENSSL_cleanse(key, sizeof key);
    return r;
}

int records_create(const struct record_suite *suite, const struct traffic_secrets *secrets,
                   const struct records_written *written, struct records **ret_records)
{
    struct records *records = mem_new(struct records);

    records->suite = suite;
    records->secret_len = secrets->len;
    records->reading.cipher = EVP_CIPHER_CTX_new();
    records->writing.cipher = EVP_CIPHER_CTX_new();
    memcpy(records->reading.secret, secrets->client, secrets->len);
    memcpy(records->writing.secret, secrets->server, secrets->len);
    if (!records->reading.cipher || !records->writing.cipher ||
        set_keys(records, &records->reading, false) < 0 || begin_writing(records, written) < 0) {
        records_destroy(records);
        return ERR_TLS;
    }
    *ret_records = records;
    return 0;
}

/* ---- sealing ---- */

/* Section 5.2: content, then its real type, sealed under the visible header. */
static int seal_record(struct records *records, struct tls_io *io, unsigned char type,
                       struct span plain)
{
    struct side *side = &records->writing;
    unsigned char *out = (unsigned char *)io->out + io->out_len, *body = out + RECORD_HEADER;
    size_t sealed = plain.len + 1 + TAG;
    unsigned char nonce[NONCE];
    int len = 0, more = 0;

    if (io->out_cap - io->out_len < RECORD_HEADER + sealed)
        return ERR_TLS;
    out[0] = TYPE_DATA;
    out[1] = out[2] = 3;
    out[3] = (unsigned char)(sealed >> 8);
    out[4] = (unsigned char)sealed;
    make_nonce(side, nonce);
    if (EVP_CipherInit_ex2(side->cipher, NULL, NULL, nonce, 1, NULL) != 1 ||
        EVP_EncryptUpdate(side->cipher, NULL, &len, out, RECORD_HEADER) != 1 ||
        EVP_EncryptUpdate(side->cipher, body, &len, (const unsigned char *)plain.ptr,
                          (int)plain.len) != 1 ||
        EVP_EncryptUpdate(side->cipher, body + len, &more, &type, 1) != 1)
        return ERR_TLS;
    len += more;
    if (EVP_EncryptFinal_ex(side->cipher, body + len, &more) != 1 ||
        EVP_CIPHER_CTX_ctrl(side->cipher, EVP_CTRL_AEAD_GET_TAG, TAG, body + plain.len + 1) != 1)
        return ERR_TLS;
    side->sequence++;
    io->out_len += RECORD_HEADER + sealed;
    return 0;
}

static int seal_key_update(struct records *records, struct tls_io *io)
{
    static const char message[] = {KEY_UPDATE, 0, 0, 1, 0}; /* update_not_requested */

    int r = seal_record(records, io, TYPE_HANDSHAKE, span_of(message, sizeof message));
    return r < 0 ? r : update_keys(records, &records->writing, true);
}

static void seal_alert(struct records *records, struct tls_io *io, enum alert alert)
{
    bool warning = alert == CLOSE_NOTIFY || alert == USER_CANCELED;
    const char message[] = {warning ? ALERT_WARNING : ALERT_FATAL, (char)alert};

    if (!records->over && seal_record(records, io, TYPE_ALERT, span_of(message, 2)) < 0)
        records->over = true; /* no room, no alert: the connection ends either way */
}

int records_seal(struct records *records, struct tls_io *io, struct span plain)
{
    if (records->over)
        return ERR_TLS;
    while (plain.len > 0) {
        size_t part = plain.len < RECORD_PLAIN_MAX ? plain.len : RECORD_PLAIN_MAX;
        int r = 0;
        if (unlikely(records->writing.sequence >= RECORDS_PER_KEY))
            r = seal_key_update(records, io);
        if (r >= 0)
            r = seal_record(records, io, TYPE_DATA, span_of(plain.ptr, part));
        if (r < 0)
            return r;
        plain = span_from(plain, part);
    }
    return 0;
}

void records_close(struct records *records, struct tls_io *io)
{
    seal_alert(records, io, CLOSE_NOTIFY);
    records->over = true;
}

/* ---- opening ---- */

/* Tells the peer why, and ends it. */
static int fail(struct records *records, struct tls_io *io, enum alert alert)
{
    seal_alert(records, io, alert);
    records->over = true;
    return ERR_TLS;
}

/* @return length of content and type, padding still behind them; ERR_TLS for a forged record */
static int open_record(struct side *side, const unsigned char *record, size_t sealed,
                       unsigned char *out)
{
    const unsigned char *body = record + RECORD_HEADER;
    unsigned char nonce[NONCE];
    size_t inner = sealed - TAG;
    int len = 0, more = 0;

    make_nonce(side, nonce);
    if (EVP_CipherInit_ex2(side->cipher, NULL, NULL, nonce, 0, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(side->cipher, EVP_CTRL_AEAD_SET_TAG, TAG,
                            (unsigned char *)(uintptr_t)(body + inner)) != 1 ||
        EVP_DecryptUpdate(side->cipher, NULL, &len, record, RECORD_HEADER) != 1 ||
        EVP_DecryptUpdate(side->cipher, out, &len, body, (int)inner) != 1 ||
        EVP_DecryptFinal_ex(side->cipher, out + len, &more) != 1)
        return ERR_TLS;
    side->sequence++;
    return (int)inner;
}

/* @return `len`, or an error when too many in a row had no data */
static int count_empty(struct records *records, struct tls_io *io, int len)
{
    records->empty_records = len ? 0 : records->empty_records + 1;
    if (records->empty_records > EMPTY_RECORDS_MAX)
        return fail(records, io, UNEXPECTED_MESSAGE);
    return len;
}

/* Section 5.1: an alert stands in a record of its own, whole. An empty one is refused by section
 * 5.4. */
static int take_alert(struct records *records, struct tls_io *io, struct span message)
{
    if (message.len == 0)
        return fail(records, io, UNEXPECTED_MESSAGE);
    if (message.len != 2)
        return fail(records, io, DECODE_ERROR);
    if (message.ptr[1] == USER_CANCELED) /* close_notify follows (section 6.1) */
        return count_empty(records, io, 0);
    if (message.ptr[1] == CLOSE_NOTIFY)
        return ERR_CLOSED;
    records->over = true; /* whatever it was, the peer is through with us (section 6.2) */
    return ERR_TLS;
}

/* The peer seals with its next key from the record behind this one on. */
static int follow_key_update(struct records *records, struct tls_io *io, bool requested)
{
    if (records->data_read >= DATA_PER_UPDATE) {
        records->data_read = 0;
        records->key_updates = 0;
    }
    if (++records->key_updates > KEY_UPDATES_MAX)
        return fail(records, io, UNEXPECTED_MESSAGE);
    int r = update_keys(records, &records->reading, false);
    if (r >= 0 && requested)
        r = seal_key_update(records, io);
    return r < 0 ? fail(records, io, INTERNAL_ERROR) : 0;
}

/* Section 4.6.3: KeyUpdate is the only message that a client may send now. It may come in pieces,
 * none of them empty (5.1, 5.4), and ends its record, because the key changes behind it (5.1). */
static int take_handshake(struct records *records, struct tls_io *io, struct span content)
{
    unsigned char *at = records->message;
    size_t missing = KEY_UPDATE_BYTES - records->message_len;
    size_t part = content.len < missing ? content.len : missing;

    if (content.len == 0)
        return fail(records, io, UNEXPECTED_MESSAGE);
    memcpy(at + records->message_len, content.ptr, part);
    records->message_len += (unsigned)part;
    if (at[0] != KEY_UPDATE)
        return fail(records, io, UNEXPECTED_MESSAGE);
    if (records->message_len >= 4 && (at[1] != 0 || at[2] != 0 || at[3] != 1))
        return fail(records, io, DECODE_ERROR);
    if (records->message_len < KEY_UPDATE_BYTES)
        return 0;
    if (content.len > part)
        return fail(records, io, UNEXPECTED_MESSAGE);
    if (at[4] > 1)
        return fail(records, io, ILLEGAL_PARAMETER);
    records->message_len = 0;
    return follow_key_update(records, io, at[4] == 1);
}

/* @return bytes of data, 0 when the record held none, or an error */
static int take_content(struct records *records, struct tls_io *io, unsigned char *inner, int len)
{
    while (len > 0 && inner[len - 1] == 0)
        len--; /* padding */
    if (len == 0)
        return fail(records, io, UNEXPECTED_MESSAGE);
    unsigned char type = inner[--len];
    const struct span content = {(const char *)inner, (size_t)len};
    if (len > RECORD_PLAIN_MAX)
        return fail(records, io, RECORD_OVERFLOW);
    if (records->message_len && type != TYPE_HANDSHAKE) /* between two pieces (section 5.1) */
        return fail(records, io, UNEXPECTED_MESSAGE);
    switch (type) {
    case TYPE_DATA:
        records->data_read += (unsigned)len;
        return count_empty(records, io, len);
    case TYPE_ALERT:
        return take_alert(records, io, content);
    case TYPE_HANDSHAKE:
        return take_handshake(records, io, content);
    default:
        return fail(records, io, UNEXPECTED_MESSAGE);
    }
}

ssize_t records_open(struct records *records, struct tls_io *io, char *out)
{
    while (!records->over && io->in.len >= RECORD_HEADER) {
        const unsigned char *record = (const unsigned char *)io->in.ptr;
        size_t sealed = (size_t)record[3] << 8 | record[4];
        if (record[0] != TYPE_DATA || record[1] != 3)
            return fail(records, io, UNEXPECTED_MESSAGE);
        if (sealed > RECORD_SEALED_MAX)
            return fail(records, io, RECORD_OVERFLOW);
        if (sealed < TAG + 1)
            return fail(records, io, BAD_RECORD_MAC);
        if (io->in.len < RECORD_HEADER + sealed)
            return 0;
        int len = open_record(&records->reading, record, sealed, (unsigned char *)out);
        io->in = span_from(io->in, RECORD_HEADER + sealed);
        if (len < 0)
            return fail(records, io, BAD_RECORD_MAC);
        len = take_content(records, io, (unsigned char *)out, len);
        if (len != 0)
            return len;
    }
    return records->over ? ERR_TLS : 0;
}
