/* Records of TLS 1.3 once the handshake is done (RFC 8446 section 5): application data, alerts and
 * key updates, sealed and opened with OpenSSL's AEAD ciphers. The handshake stays with libssl. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "tls/schedule.h"

struct records;
struct tls_io;

enum {
    RECORD_HEADER = 5,
    RECORD_PLAIN_MAX = 16384,
    RECORD_SEALED_MAX = 16384 + 256,
};

/** Which AEAD, for all sessions of a process. */
struct record_suite {
    EVP_CIPHER *cipher;
    const struct schedule_digest *digest;
    unsigned key_len;
};

/** What the server has sealed with its application key already (tickets). */
struct records_written {
    uint64_t count;
    struct span last; /**< the last such record, header included; empty when count is 0 */
};

/** @return 0, or ERR_TLS, also when the last record shows that the count is wrong */
must_check int records_create(const struct record_suite *suite,
                              const struct traffic_secrets *secrets,
                              const struct records_written *written, struct records **ret_records);
/** Wipes the keys. NULL is fine. */
void records_destroy(struct records *records);

/** Opens the record at the front of io->in, in place where `out` is not used.
 *  Alerts and key updates are dealt with; what they ask for is sealed to io->out.
 *  @param out  at least RECORD_SEALED_MAX bytes
 *  @return bytes of application data > 0; 0 when more input is needed; ERR_CLOSED after
 * close_notify; ERR_TLS for a record that breaks the rules (the alert for it stands in io->out) */
must_check ssize_t records_open(struct records *records, struct tls_io *io, char *out);
/** Seals application data to io->out, which must have room. @return 0, or ERR_TLS */
must_check int records_seal(struct records *records, struct tls_io *io, struct span plain);
/** Seals close_notify. */
void records_close(struct records *records, struct tls_io *io);
