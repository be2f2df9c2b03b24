/* What the files behind trust.h share: the CAs at hand, the report, commands run as somebody. */
#pragma once

#include "base/buffer.h"
#include "cert/trust.h"
#include "cert/x509.h"

enum { NICKNAME_SIZE = 40 };

struct trust_work {
    const struct cert_trust_options *options;
    X509 *certs[CERT_CHAIN_MAX]; /**< the CA, then former ones */
    int count;
    bool adding; /**< trust, else untrust */
    struct cert_trust_report *report;
};

/** Adds a step; the strings are copied. The result may be given a hint until the next call. */
struct cert_trust_step *trust_step(struct trust_work *work, const char *store, const char *path,
                                   enum cert_trust_outcome outcome, const char *sentence, ...)
    printf_like(5, 6);
void trust_hint(struct cert_trust_step *step, const char *hint, ...) printf_like(2, 3);
/** Runs a command, as `person` when that is not us (NULL: as we are).
 *  @param ret_output  what it said, for buffer_finish(), after any count >= 0
 *  @return its exit code, or an error */
must_check int trust_run(const struct trust_work *work, const struct cert_trust_person *person,
                         const char *const *argv, struct span input, struct buffer *ret_output);
/** A store that a command changes. */
struct trust_store {
    const char *name; /**< "system", "Chromium" */
    const char *path;
    const struct cert_trust_person *person; /**< whose it is; NULL: the system's */
};
/** The same where only success matters; a failure becomes a step that quotes the command.
 *  @return true for exit code 0 */
bool trust_do(struct trust_work *work, const struct trust_store *store, const char *const *argv,
              struct span input);
/** Which of ours a certificate is: its index, or -1. */
int trust_find(const struct trust_work *work, X509 *cert);

void trust_system(struct trust_work *work);
void trust_browsers(struct trust_work *work, const struct cert_trust_person *person);
