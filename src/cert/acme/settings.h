/* Settings `acme:`. */
#pragma once

#include "config/config.h"

enum acme_mode { ACME_MODE_OFF, ACME_MODE_ON };

/** External account binding: what a CA gives to customers (RFC 8555 section 7.3.4). */
struct acme_eab_settings {
    char *kid;    /**< NULL: none */
    char *secret; /**< file with the secret in base64 */
};

struct acme_settings {
    int mode;        /**< enum acme_mode */
    char *email;     /**< NULL: none */
    char *directory; /**< a word of acme_directory_url(), or a URL */
    char *ca_file;   /**< certificates to trust for the directory; NULL: the system's */
    char *profile;   /**< NULL: the CA's choice */
    struct acme_eab_settings eab;
    bool check; /**< look before ordering */
};

extern const struct config_row acme_rows[];

/** The URL of a directory that has a name here ("letsencrypt", "staging"), else the text itself.
 *  @return static text, or `word` */
const char *acme_directory_url(const char *word);
