/* What ACME keeps in the state folder. All of it is files of this program's own; the private keys
 * in it are written by the keys process alone, to descriptors that it is handed.
 *
 *   STATE/acme/CA/account.key, account.json     CA: the directory's host and path
 *   STATE/acme/CA/orders/NAME/key.pem           the key of the order that is under way
 *   STATE/acme/CA/orders/NAME/order.json        see struct acme_record
 *   STATE/certificates/NAME/current -> 2        the pair in use; NAME has "_" for "*"
 *   STATE/certificates/NAME/2/chain.pem, key.pem
 *
 * Folders are 0700, keys 0600. Files are replaced by rename after fsync. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/nsec.h"
#include "base/span.h"

/** What is known of one certificate's orders. Zeroes: nothing. */
struct acme_record {
    char *order_url;   /**< of an order under way; NULL: none */
    char *token;       /**< "TOKEN\nKEY-AUTHORIZATION" that it was last answered with; NULL: none */
    char *names;       /**< that it is for, each followed by "\n" */
    unsigned failures; /**< in a row */
    nsec_t retry_at;   /**< wall clock: not before; 0: any time */
    nsec_t renew_at;   /**< wall clock: when the certificate in use is to be renewed; 0: unknown */
    char *renews;      /**< id of the certificate that `renew_at` is about; NULL: none */
    char *last_error;  /**< for people; NULL: none */
};

void acme_record_finish(struct acme_record *record);

/** Opens STATE/acme/CA. @return a descriptor, or -errno */
must_check int acme_store_open(int state_fd, const char *directory_url);
/** The account's URL. @return 0 with text for free(); ERR_NOT_FOUND; ERR_SYNTAX; -errno */
must_check int acme_store_account(int ca_fd, char **ret_url);
/** @return 0, or -errno */
must_check int acme_store_save_account(int ca_fd, const char *url);
/** Opens the folder of a certificate's orders. @return a descriptor, or -errno */
must_check int acme_store_order(int ca_fd, const char *name);
/** @return 0 (a record of zeroes when there is none, or it is damaged), or -errno */
must_check int acme_store_record(int order_fd, struct acme_record *ret_record);
/** @return 0, or -errno */
must_check int acme_store_save_record(int order_fd, const struct acme_record *record);

/** Opens a private key's file. @return a descriptor open for reading and writing, or -errno
 *  (-ENOENT: there is none) */
must_check int acme_store_open_key(int folder, const char *file);
/** A new, empty file for a private key, with a temporary name beside `file`; acme_store_keep_key()
 *  gives it its name. @return a descriptor open for reading and writing, or -errno */
must_check int acme_store_new_key(int folder, const char *file);
/** @return 0, or -errno */
must_check int acme_store_keep_key(int folder, const char *file);

/** Opens a file of a secret that the settings name. @return a descriptor open for reading, or
 * -errno
 */
must_check int acme_store_open_secret(const char *path);

/** Makes the order's key and a chain the pair in use, as a new version; the key moves there.
 *  Versions older than the one before are removed.
 *  @return 0, or -errno with the pair in use as it was */
must_check int acme_store_install(int state_fd, const char *name, int order_fd,
                                  struct span chain_pem);
/** The path beneath the state folder of the pair in use: "certificates/NAME/current/chain.pem".
 *  @param file  "chain.pem" or "key.pem"
 *  @return for free() */
char *acme_store_path(const char *name, const char *file);
