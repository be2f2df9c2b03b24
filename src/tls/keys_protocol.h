/* The signing protocol: one request message, one answer message, as bytes. It knows no key and no
 * socket.
 *
 *   request  u8 op, u8 algorithm, u8 digest, u8 flag, u32 sequence, u64 id, u32 length, data
 *   answer   u8 status, 3 × u8 0, u32 sequence, u32 length, data
 *
 * Numbers are little-endian. `length` is that of `data` and must end the message exactly. What is
 * to be signed comes whole, never as a digest, so that the holder sees what it signs. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "base/span.h"

enum keys_op {
    KEYS_OP_PING = 1,      /**< all other fields 0, no data */
    KEYS_OP_HANDSHAKE = 2, /**< data: what TLS signs, see keys_form.h; answer: the signature */
    KEYS_OP_CSR = 3,       /**< data: names, each followed by "\n"; flag: a common name too;
                                answer: DER */
    KEYS_OP_JWK = 4,       /**< no data; answer: JSON */
    KEYS_OP_JWS = 5,       /**< data: u16 length of the header, header, payload; answer: the
                                signature as JWS has it */
    KEYS_OP_CHALLENGE = 6, /**< data: 32 bytes of digest, the name; answer: DER of a certificate */
};

/** Of KEYS_OP_HANDSHAKE, else 0. There is no RSA without padding, and nothing decrypts. */
enum keys_algorithm {
    KEYS_ECDSA = 1,     /**< the answer: a DER Ecdsa-Sig-Value */
    KEYS_RSA_PKCS1 = 2, /**< TLS 1.2 alone */
    KEYS_RSA_PSS = 3,   /**< MGF1 with the same digest, a salt as long as the digest */
    KEYS_ED25519 = 4,   /**< digest KEYS_DIGEST_NONE */
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
    KEYS_REFUSED = 3,   /**< a key of this kind or purpose, or this asker, does not do that */
    KEYS_FAILED = 4,    /**< the library failed */
};

enum {
    KEYS_REQUEST_HEADER = 20,
    KEYS_ANSWER_HEADER = 12,
    KEYS_DATA_MAX = 65536 - KEYS_REQUEST_HEADER, /**< of a request */
    KEYS_ANSWER_MAX = 32768,                     /**< data of an answer */
    KEYS_SIGNATURE_MAX = 1024,                   /**< RSA 8192 */
};

struct keys_request {
    enum keys_op op;
    enum keys_algorithm algorithm;
    enum keys_digest digest;
    bool flag;
    uint32_t sequence; /**< comes back in the answer */
    uint64_t id;
    struct span data; /**< at most KEYS_DATA_MAX */
};

struct keys_answer {
    enum keys_status status;
    uint32_t sequence;
    struct span data; /**< empty unless KEYS_OK */
};

/** Bytes of a digest; 0 for KEYS_DIGEST_NONE and unknown values. */
size_t keys_digest_size(enum keys_digest digest);
/** OpenSSL's name of a digest; NULL likewise. */
const char *keys_digest_name(enum keys_digest digest);

/** @param out  room for KEYS_REQUEST_HEADER + data
 *  @return bytes written */
must_check size_t keys_request_write(const struct keys_request *request, char *out);
/** Takes apart and checks everything that needs no key: known values, and fields that the operation
 *  does not use are 0. @return 0, or ERR_SYNTAX; ret_request->sequence is set whenever it could be
 *  read, else 0 */
must_check int keys_request_read(struct span message, struct keys_request *ret_request);

/** The data of a KEYS_OP_JWS request. @return 0, or ERR_SYNTAX */
must_check int keys_jws_split(struct span data, struct span *ret_header, struct span *ret_payload);

/** @param out  room for KEYS_ANSWER_HEADER + data, which may stand there already
 *  @return bytes written */
must_check size_t keys_answer_write(const struct keys_answer *answer, char *out);
/** @return 0, or ERR_SYNTAX */
must_check int keys_answer_read(struct span message, struct keys_answer *ret_answer);
