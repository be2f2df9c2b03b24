/* Makes a machine trust the local CA, and stops it doing so: the system's store and the NSS stores
 * of Chromium and Firefox. Doing it twice changes nothing; only our own entries are touched. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/nsec.h"
#include "base/span.h"

enum cert_trust_outcome {
    CERT_TRUST_DONE,
    CERT_TRUST_ALREADY, /**< nothing was left to do */
    CERT_TRUST_FAILED,
    CERT_TRUST_SKIPPED, /**< no such store here, or not ours; the sentence says which */
    CERT_TRUST_DENIED,  /**< a store that is here, but only root may change it */
};

struct cert_trust_step {
    const char *store; /**< "system", "Chromium", "Firefox" */
    char *path;        /**< file or folder of the store; NULL when there is none */
    enum cert_trust_outcome outcome;
    char *sentence;
    char *hint; /**< what to do; may be NULL */
};

struct cert_trust_report {
    struct cert_trust_step *steps;
    size_t count;
    size_t failed; /**< steps that are CERT_TRUST_FAILED */
    size_t denied; /**< steps that are CERT_TRUST_DENIED */
};

/** Somebody in whose home browsers keep their stores. */
struct cert_trust_person {
    char *home;
    uid_t uid; /**< when not ours, commands in this home run as uid and gid */
    gid_t gid;
    bool create; /**< make ~/.pki/nssdb where it is missing */
};

struct cert_trust_options {
    struct span ca_pem;      /**< of cert_local_ca_read(): the CA first, former ones after it */
    const char *system_root; /**< "" for this machine; a folder to test beneath */
    const char *as_root;     /**< the command line that does the same as root, for hints */
    bool skip_system;        /**< leave the system's store alone */
    const struct cert_trust_person *people;
    size_t person_count;
    nsec_t timeout; /**< of each command; 0 stands for 60 s */
};

/** Trusts the first CA of ca_pem and takes former ones out.
 *  @return 0, or ERR_SYNTAX when ca_pem holds no certificate; how each store went is the report's
 */
must_check int cert_trust(const struct cert_trust_options *options,
                          struct cert_trust_report *ret_report);
/** Takes every CA of ca_pem out of all stores. */
must_check int cert_untrust(const struct cert_trust_options *options,
                            struct cert_trust_report *ret_report);
/** Does the system's own store, which curl and most programs ask, hold the first CA of ca_pem? */
bool cert_trust_is_known(struct span ca_pem);
void cert_trust_report_finish(struct cert_trust_report *report);

/** Whose homes to act in: the caller's, and that of the person who called sudo (in whose case
 *  root's own stores are used only where they exist).
 *  @param sudo_user  the environment's SUDO_USER, or NULL
 *  @return how many; the array is for cert_trust_people_free() */
size_t cert_trust_people(const char *sudo_user, struct cert_trust_person **ret_people);
void cert_trust_people_free(struct cert_trust_person *people, size_t count);
