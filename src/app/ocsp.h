/* What is known of a certificate by OCSP, on its way from the processes that find it out to the
 * guardian. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "cert/cert.h"

/** The state of one certificate. */
struct ocsp_answer {
    bool named; /**< the certificate names a responder that can be asked; else the rest is unset */
    unsigned char fingerprint[CERT_FINGERPRINT_SIZE]; /**< of the certificate */
    char *der;                                        /**< an answer to staple; NULL: none */
    size_t len;
    nsec_t expires_at; /**< wall clock, of `der` */
    nsec_t refresh_at; /**< wall clock: time to ask */
};

void ocsp_answer_finish(struct ocsp_answer *answer);

/* ---- from the prepare process (ocsp_json.c) ---- */

/** Looks whether a certificate names a responder, and for the answer that was kept.
 *  @return for json_decref(): an object, or null when there is nobody to ask */
json_t *ocsp_look(const struct cert_chain *chain, int state_fd, nsec_t now);
/** Reads what ocsp_look() made. */
void ocsp_from_json(const json_t *object, struct ocsp_answer *ret_answer);

/* ---- the process that asks (ocsp_process.c) ---- */

/** What it came to. */
struct ocsp_result {
    struct cert_ocsp ocsp;
    char why[128]; /**< nothing came of it: a sentence's end; else empty */
};

/** Reads the memfd; the process may have been taken over, so nothing in it is believed to be in
 *  form. @param ret_der  the answer, for buffer_finish(); empty when nothing came of it
 *  @return 0, or ERR_PROTOCOL */
must_check int ocsp_result_read(int result_fd, nsec_t now, struct ocsp_result *ret_result,
                                struct buffer *ret_der);
