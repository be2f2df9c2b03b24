/* The signing protocol: one request message, one answer message, as bytes. It knows no key and no
 * socket.
 *
 *   request  u8 op, u8 algorithm, u8 digest, u8 0, u32 sequence, u64 id, u16 salt, u16 length, data
 *   answer   u8 status, u8 0, u16 length, u32 sequence, data
 *
 * Numbers are little-endian. `length` is that of `data` and must end the message exactly. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "base/span.h"

enum keys_op {
    KEYS_OP_PING = 1, /**< all other fields 0, no data */
    KEYS_OP_SIGN = 2,
};

/** There is no RSA without padding, and nothing decrypts. */
enum keys_algorithm {
    KEYS_ECDSA = 1,     /**< data: a digest; the answer's: a DER Ecdsa-Sig-Value */
    KEYS_RSA_PKCS1 = 2, /**< data: a digest, put into a DigestInfo here */
    KEYS_RSA_PSS = 3,   /**< data: a digest; MGF1 with the same digest; `salt` bytes of salt */
    KEYS_ED25519 = 4,   /**< data: the message itself, digest KEYS_DIGEST_NONE */
};

enum keys_digest {
    KEYS_DIGEST_NONE = 0,
    KEYS_SHA256 = 1,
    KEYS_SHA384 = 2,
    KEYS_SHA512 = 3,
};

enum keys_status {
    KEYS_OK = 0,
    KEYS_MALFORMED = 1, /**< not a request of this protocol */
    KEYS_NO_KEY = 2,    /**< nothing is held under that id */
    KEYS_REFUSED = 3,   /**< the key does not do this algorithm, digest or salt */
    KEYS_FAILED = 4,    /**< the library failed */
};

enum {
    KEYS_REQUEST_HEADER = 20,
    KEYS_ANSWER_HEADER = 8,
    KEYS_DATA_MAX = 8192 - KEYS_REQUEST_HEADER,
    KEYS_SIGNATURE_MAX = 1024, /**< RSA 8192 */
};

struct keys_request {
    enum keys_op op;
    enum keys_algorithm algorithm;
    enum keys_digest digest;
    uint32_t sequence; /**< comes back in the answer */
    uint64_t id;
    uint16_t salt;    /**< RSA-PSS only, else 0 */
    struct span data; /**< at most KEYS_DATA_MAX */
};

struct keys_answer {
    enum keys_status status;
    uint32_t sequence;
    struct span data; /**< the signature; empty unless KEYS_OK */
};

/** Bytes of a digest; 0 for KEYS_DIGEST_NONE and unknown values. */
size_t keys_digest_size(enum keys_digest digest);
/** OpenSSL's name of a digest; NULL likewise. */
const char *keys_digest_name(enum keys_digest digest);

/** @param out  room for KEYS_REQUEST_HEADER + data
 *  @return bytes written */
must_check size_t keys_request_write(const struct keys_request *request, char *out);
/** Takes apart and checks everything that needs no key: known values, and data of the digest's
 *  length. @return 0, or ERR_SYNTAX; ret_request->sequence is set whenever it could be read,
 *  else 0 */
must_check int keys_request_read(struct span message, struct keys_request *ret_request);

/** @param out  room for KEYS_ANSWER_HEADER + data. @return bytes written */
must_check size_t keys_answer_write(const struct keys_answer *answer, char *out);
/** @return 0, or ERR_SYNTAX */
must_check int keys_answer_read(struct span message, struct keys_answer *ret_answer);
