/* Messages of the signing protocol to bytes and back, each check that needs no key included. */
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
    out[3] = (char)request->flag;
    put32(out + 4, request->sequence);
    put64(out + 8, request->id);
    put32(out + 16, (uint32_t)request->data.len);
    if (request->data.len)
        memcpy(out + KEYS_REQUEST_HEADER, request->data.ptr, request->data.len);
    return KEYS_REQUEST_HEADER + request->data.len;
}

static bool handshake_is_sound(const struct keys_request *request)
{
    if (request->flag || request->data.len == 0)
        return false;
    switch (request->algorithm) {
    case KEYS_ECDSA:
    case KEYS_RSA_PKCS1:
    case KEYS_RSA_PSS:
        return keys_digest_size(request->digest) != 0;
    case KEYS_ED25519:
        return request->digest == KEYS_DIGEST_NONE;
    }
    return false;
}

static bool is_sound(const struct keys_request *request)
{
    bool plain = request->algorithm == 0 && request->digest == 0;

    switch (request->op) {
    case KEYS_OP_PING:
        return plain && !request->flag && request->id == 0 && request->data.len == 0;
    case KEYS_OP_HANDSHAKE:
        return handshake_is_sound(request);
    case KEYS_OP_CSR:
        return plain && request->data.len != 0;
    case KEYS_OP_JWK:
        return plain && !request->flag && request->data.len == 0;
    case KEYS_OP_JWS:
        return plain && !request->flag && request->data.len > 2;
    case KEYS_OP_CHALLENGE:
        return plain && !request->flag && request->data.len > 32;
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
        .flag = in[3] == 1,
        .sequence = get32(in + 4),
        .id = get64(in + 8),
        .data = span_from(message, KEYS_REQUEST_HEADER),
    };
    if ((unsigned char)in[3] > 1 || ret_request->data.len > KEYS_DATA_MAX ||
        ret_request->data.len != get32(in + 16))
        return ERR_SYNTAX;
    return is_sound(ret_request) ? 0 : ERR_SYNTAX;
}

int keys_jws_split(struct span data, struct span *ret_header, struct span *ret_payload)
{
    size_t header = data.len < 2 ? SIZE_MAX : get16(data.ptr);

    if (header > data.len - 2)
        return ERR_SYNTAX;
    *ret_header = span_of(data.ptr + 2, header);
    *ret_payload = span_from(data, 2 + header);
    return 0;
}

size_t keys_answer_write(const struct keys_answer *answer, char *out)
{
    out[0] = (char)answer->status;
    memset(out + 1, 0, 3);
    put32(out + 4, answer->sequence);
    put32(out + 8, (uint32_t)answer->data.len);
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
    if (in[1] || in[2] || in[3] || (unsigned)answer.status > KEYS_FAILED ||
        answer.data.len != get32(in + 8) || answer.data.len > KEYS_ANSWER_MAX)
        return ERR_SYNTAX;
    if (answer.status != KEYS_OK && answer.data.len != 0)
        return ERR_SYNTAX;
    *ret_answer = answer;
    return 0;
}
