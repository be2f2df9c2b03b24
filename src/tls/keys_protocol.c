/* Messages of the signing protocol to bytes and back, each check that needs no key included. What
 * is done with them is keys_holder.c's and keys_remote.c's. */
#include "tls/keys_protocol.h"

#include <endian.h>

#include "base/error.h"

static const struct {
    const char *name;
    size_t size;
} digests[] = {
    [KEYS_SHA256] = {"SHA256", 32},
    [KEYS_SHA384] = {"SHA384", 48},
    [KEYS_SHA512] = {"SHA512", 64},
};

size_t keys_digest_size(enum keys_digest digest)
{
    return (unsigned)digest < ARRAY_SIZE(digests) ? digests[digest].size : 0;
}

const char *keys_digest_name(enum keys_digest digest)
{
    return (unsigned)digest < ARRAY_SIZE(digests) ? digests[digest].name : NULL;
}

static void put16(char *out, uint16_t value)
{
    value = htole16(value);
    memcpy(out, &value, sizeof value);
}

static void put32(char *out, uint32_t value)
{
    value = htole32(value);
    memcpy(out, &value, sizeof value);
}

static void put64(char *out, uint64_t value)
{
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

static uint16_t get16(const char *in)
{
    uint16_t value;
    memcpy(&value, in, sizeof value);
    return le16toh(value);
}

static uint32_t get32(const char *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return le32toh(value);
}

static uint64_t get64(const char *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return le64toh(value);
}

size_t keys_request_write(const struct keys_request *request, char *out)
{
    out[0] = (char)request->op;
    out[1] = (char)request->algorithm;
    out[2] = (char)request->digest;
    out[3] = 0;
    put32(out + 4, request->sequence);
    put64(out + 8, request->id);
    put16(out + 16, request->salt);
    put16(out + 18, (uint16_t)request->data.len);
    if (request->data.len)
        memcpy(out + KEYS_REQUEST_HEADER, request->data.ptr, request->data.len);
    return KEYS_REQUEST_HEADER + request->data.len;
}

static bool ping_is_plain(const struct keys_request *request)
{
    return request->algorithm == 0 && request->digest == 0 && request->id == 0 &&
           request->salt == 0 && request->data.len == 0;
}

static bool sign_is_sound(const struct keys_request *request)
{
    if (request->salt != 0 && request->algorithm != KEYS_RSA_PSS)
        return false;
    switch (request->algorithm) {
    case KEYS_ECDSA:
    case KEYS_RSA_PKCS1:
    case KEYS_RSA_PSS:
        return request->data.len != 0 && request->data.len == keys_digest_size(request->digest);
    case KEYS_ED25519:
        return request->digest == KEYS_DIGEST_NONE;
    }
    return false;
}

int keys_request_read(struct span message, struct keys_request *ret_request)
{
    const char *in = message.ptr;

    *ret_request = (struct keys_request){0};
    if (message.len < KEYS_REQUEST_HEADER)
        return ERR_SYNTAX;
    *ret_request = (struct keys_request){
        .op = (unsigned char)in[0],
        .algorithm = (unsigned char)in[1],
        .digest = (unsigned char)in[2],
        .sequence = get32(in + 4),
        .id = get64(in + 8),
        .salt = get16(in + 16),
        .data = span_from(message, KEYS_REQUEST_HEADER),
    };
    if (in[3] != 0 || ret_request->data.len > KEYS_DATA_MAX ||
        ret_request->data.len != get16(in + 18))
        return ERR_SYNTAX;
    switch (ret_request->op) {
    case KEYS_OP_PING:
        return ping_is_plain(ret_request) ? 0 : ERR_SYNTAX;
    case KEYS_OP_SIGN:
        return sign_is_sound(ret_request) ? 0 : ERR_SYNTAX;
    }
    return ERR_SYNTAX;
}

size_t keys_answer_write(const struct keys_answer *answer, char *out)
{
    out[0] = (char)answer->status;
    out[1] = 0;
    put16(out + 2, (uint16_t)answer->data.len);
    put32(out + 4, answer->sequence);
    if (answer->data.len)
        memmove(out + KEYS_ANSWER_HEADER, answer->data.ptr, answer->data.len);
    return KEYS_ANSWER_HEADER + answer->data.len;
}

int keys_answer_read(struct span message, struct keys_answer *ret_answer)
{
    const char *in = message.ptr;

    if (message.len < KEYS_ANSWER_HEADER)
        return ERR_SYNTAX;
    struct keys_answer answer = {
        .status = (unsigned char)in[0],
        .sequence = get32(in + 4),
        .data = span_from(message, KEYS_ANSWER_HEADER),
    };
    if (in[1] != 0 || (unsigned)answer.status > KEYS_FAILED || answer.data.len != get16(in + 2) ||
        answer.data.len > KEYS_SIGNATURE_MAX)
        return ERR_SYNTAX;
    if (answer.status != KEYS_OK && answer.data.len != 0)
        return ERR_SYNTAX;
    *ret_answer = answer;
    return 0;
}
