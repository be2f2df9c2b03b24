/* OCSP (RFC 6960): what a certificate's responder says of it, asked, judged and kept, so that a
 * server can staple the answer. When to ask again and what to do without an answer is decided
 * above. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/nsec.h"
#include "cert/info.h"

enum {
    CERT_OCSP_MAX = 16 * 1024, /**< bytes of an answer: it is sent in every handshake */
    CERT_OCSP_SECONDS = 10,    /**< most that asking takes, but for looking up the name */
};

enum cert_ocsp_status { CERT_OCSP_GOOD, CERT_OCSP_REVOKED, CERT_OCSP_UNKNOWN };

/** What a valid answer says. */
struct cert_ocsp {
    int status;        /**< enum cert_ocsp_status */
    nsec_t expires_at; /**< wall clock: not to be shown to anybody from then on */
    nsec_t refresh_at; /**< wall clock: time to ask again, after `now` */
};

/** The question to ask of the first certificate of a chain, and whom.
 *  @param ret_request  DER, for buffer_finish()
 *  @param ret_url      "http://…" of the first responder that the certificate names, for free()
 *  @return 0; ERR_NOT_FOUND when it names none, or its issuer is not in the chain; ERR_SYNTAX or
 *  ERR_LIMIT for no chain. Source: RFC 5019 section 2.1: one certificate, SHA-1 names, no nonce */
must_check int cert_ocsp_request(struct span chain_pem, struct buffer *ret_request, char **ret_url);
/** Asks over plain HTTP, by way of $http_proxy if set, and waits at most CERT_OCSP_SECONDS: for a
 *  short-lived process. The answer is not looked at.
 *  @param ret_why  on failure: what happened, as a sentence's end; a constant
 *  @return 0, or ERR_PROTOCOL */
must_check int cert_ocsp_fetch(const char *url, struct span request, struct buffer *ret_der,
                               const char **ret_why);
/** Judges an answer about the first certificate of a chain: about that very certificate, signed by
 *  its issuer or whom that named for it, and neither of the future nor past its end. One that says
 *  no end counts for a day.
 *  @param now      wall clock
 *  @param ret_why  on failure: what is wrong with it, as a sentence's end; a constant
 *  @return 0, or ERR_SYNTAX, ERR_LIMIT, ERR_PROTOCOL (a responder's refusal, a wrong signature),
 *  ERR_NOT_FOUND (of another certificate), ERR_TIMEOUT (not of this time).
 *  Source: RFC 6960 section 3.2 */
must_check int cert_ocsp_read(struct span chain_pem, struct span der, nsec_t now,
                              struct cert_ocsp *ret_ocsp, const char **ret_why);

/* ---- kept in STATE/ocsp, a file a certificate ---- */

/** The answer kept for a certificate, for cert_ocsp_read(): the disk is not believed.
 *  @return 0, ERR_NOT_FOUND, ERR_LIMIT or -errno */
must_check int cert_ocsp_load(int state_fd, const unsigned char fingerprint[CERT_FINGERPRINT_SIZE],
                              struct buffer *ret_der);
/** Keeps an answer: in whole or not at all, but without waiting for the disk, since it can be had
 *  again. @return 0 or -errno */
must_check int cert_ocsp_save(int state_fd, const unsigned char fingerprint[CERT_FINGERPRINT_SIZE],
                              struct span der);
/** Forgets an answer; none is fine. */
void cert_ocsp_forget(int state_fd, const unsigned char fingerprint[CERT_FINGERPRINT_SIZE]);
/** Removes answers that nobody has renewed for 30 days: of certificates that are gone. */
void cert_ocsp_prune(int state_fd, nsec_t now);
