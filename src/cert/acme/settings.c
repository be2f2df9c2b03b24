/* Settings `acme:`. */
#include "cert/acme/settings.h"

#include <stddef.h>

#include "base/macros.h"

static const struct {
    const char *word;
    const char *url;
} directories[] = {
    {"letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"},
    {"staging", "https://acme-staging-v02.api.letsencrypt.org/directory"},
    {"zerossl", "https://acme.zerossl.com/v2/DV90"},
    {"google", "https://dv.acme-v02.api.pki.goog/directory"},
    {"buypass", "https://api.buypass.com/acme/directory"},
};

const char *acme_directory_url(const char *word)
{
    for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
        if (strcmp(word, directories[i].word) == 0)
            return directories[i].url;
    return word;
}

static const char *check_directory(const char *text)
{
    if (strncmp(acme_directory_url(text), "https://", 8) == 0)
        return NULL;
    return "is neither an https URL nor `letsencrypt`, `staging`, `zerossl`, `google` or `buypass`";
}

static const char *check_email(const char *text)
{
    const char *at = strchr(text, '@');

    if (!at || at == text || !at[1] || strchr(at + 1, '@') || strpbrk(text, " ,<>\t"))
        return "is no email address";
    return NULL;
}

static const struct config_row eab_rows[] = {
    {.name = "kid",
     .type = CONFIG_STRING,
     .offset = offsetof(struct acme_eab_settings, kid),
     .help = "the key id that the certificate authority gave you"},
    {.name = "secret",
     .type = CONFIG_PATH,
     .offset = offsetof(struct acme_eab_settings, secret),
     .help = "file with the secret that it gave you, in base64",
     .example = "/etc/gardien/eab.secret"},
    CONFIG_END,
};

static const char *const modes[] = {"off", "on", NULL};

const struct config_row acme_rows[] = {
    {.name = "mode",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct acme_settings, mode),
     .def = "off",
     .choices = modes,
     .help = "on: sites without `certificate` whose names are public get a certificate of a public "
             "certificate authority by ACME, and it is renewed in time; this means that you agree "
             "to the authority's terms of service, which the log names"},
    {.name = "email",
     .type = CONFIG_STRING,
     .offset = offsetof(struct acme_settings, email),
     .check = check_email,
     .help = "contact for the certificate authority; may be left out",
     .example = "me@example.com"},
    {.name = "directory",
     .type = CONFIG_STRING,
     .offset = offsetof(struct acme_settings, directory),
     .def = "letsencrypt",
     .check = check_directory,
     .help = "the certificate authority: letsencrypt, staging (Let's Encrypt's for tests, which no "
             "browser trusts), zerossl, google, buypass, or the https URL of a directory",
     .example = "https://ca.example.net/acme/directory"},
    {.name = "ca_file",
     .type = CONFIG_PATH,
     .offset = offsetof(struct acme_settings, ca_file),
     .help = "PEM file of certificates to trust for the directory, in place of the system's; for a "
             "certificate authority of your own",
     .example = "/etc/gardien/company-ca.pem"},
    {.name = "profile",
     .type = CONFIG_STRING,
     .offset = offsetof(struct acme_settings, profile),
     .help = "certificate profile, of those that the directory offers (Let's Encrypt: classic, "
             "tlsserver, shortlived)",
     .example = "shortlived"},
    {.name = "eab",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct acme_settings, eab),
     .rows = eab_rows,
     .help = "external account binding, which some certificate authorities ask for"},
    {.name = "check",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct acme_settings, check),
     .def = "on",
     .help = "look whether each name leads here before ordering; off for private networks"},
    CONFIG_END,
};
