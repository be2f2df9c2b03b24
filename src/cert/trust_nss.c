/* The NSS stores of Chromium and Firefox, changed through certutil as the person whose they are. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/trust_work.h"
#include "os/command.h"

#define STORE_FILE "cert9.db"
#define NICKNAME "gardien local CA "

/* One store of NSS, as certutil is told of it. */
struct nss {
    const char *browser;
    const char *folder;
    char *argument; /* "sql:FOLDER" */
    const struct cert_trust_person *person;
};

/* The first is the one that gets made where it is missing. */
static const char *const chromium_folders[] = {
    ".pki/nssdb",
    ".local/share/pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
    ".var/app/org.chromium.Chromium/.pki/nssdb",
    ".var/app/com.google.Chrome/.pki/nssdb",
    ".var/app/com.brave.Browser/.pki/nssdb",
};

static const char *const firefox_folders[] = {
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
};

/* The name under which NSS keeps a CA says which one it is. */
static void nickname(X509 *cert, char out[NICKNAME_SIZE])
{
    unsigned char digest[CERT_FINGERPRINT_SIZE];
    size_t at = strlen(NICKNAME);

    if (!X509_digest(cert, EVP_sha256(), digest, NULL))
        abort(); /* only memory, or a broken library, can fail here */
    memcpy(out, NICKNAME, at + 1);
    for (size_t i = 0; at + 3 <= NICKNAME_SIZE && i < 8; i++, at += 2)
        snprintf(out + at, 3, "%02x", digest[i]);
}

/* @return 1, 0, or -1 with a step that tells why the store cannot be asked */
static int has_cert(struct trust_work *work, const struct nss *nss, int index)
{
    char nick[NICKNAME_SIZE];
    X509 *certs[CERT_CHAIN_MAX];
    struct buffer output;

    nickname(work->certs[index], nick);
    const char *argv[] = {"certutil", "-L", "-d", nss->argument, "-n", nick, "-a", NULL};
    int r = trust_run(work, nss->person, argv, SPAN(""), &output);
    if (r < 0) {
        trust_step(work, nss->browser, nss->folder, CERT_TRUST_FAILED,
                   "certutil could not be run: %s", error_text(r));
        return -1;
    }
    int count = r == 0 ? x509_parse(buffer_span(&output), certs) : 0;
    bool absent = output.len && memmem(output.data, output.len, "ould not find cert", 18);
    buffer_finish(&output);
    if (r != 0 && !absent) {
        trust_step(work, nss->browser, nss->folder, CERT_TRUST_FAILED,
                   "the store of %s cannot be read (certutil's code %d)", nss->browser, r);
        return -1;
    }
    bool found = count > 0 && X509_cmp(certs[0], work->certs[index]) == 0;
    x509_free_all(certs, count);
    return found;
}

/* A line of certutil's list ends with the trust for servers, mail and code: "C,,". */
static bool line_trusts(struct span line, const char *nick)
{
    if (!span_starts(line, span_str(nick)))
        return false;
    struct span flags = span_trim(span_from(line, strlen(nick)));
    ptrdiff_t comma = span_find(flags, ',');
    return comma > 0 && span_find(span_of(flags.ptr, (size_t)comma), 'C') >= 0;
}

static bool is_trusted(struct trust_work *work, const struct nss *nss)
{
    const char *argv[] = {"certutil", "-L", "-d", nss->argument, NULL};
    char nick[NICKNAME_SIZE];
    struct buffer output;
    struct span line;
    bool found = false;
    int r = trust_run(work, nss->person, argv, SPAN(""), &output);

    if (r < 0)
        return false;
    nickname(work->certs[0], nick);
    struct span rest = buffer_span(&output);
    while (!found && span_next(&rest, '\n', &line))
        found = line_trusts(line, nick);
    buffer_finish(&output);
    return found && has_cert(work, nss, 0) > 0;
}

static bool remove_cert(struct trust_work *work, const struct nss *nss, int index)
{
    char nick[NICKNAME_SIZE];

    nickname(work->certs[index], nick);
    const char *argv[] = {"certutil", "-D", "-d", nss->argument, "-n", nick, NULL};
    return trust_do(work, &(struct trust_store){nss->browser, nss->folder, nss->person}, argv,
                    SPAN(""));
}

/* @return how many were taken out, or -1 with a step that tells of the failure */
static int remove_from(struct trust_work *work, const struct nss *nss, int first)
{
    int removed = 0;

    for (int i = first; i < work->count; i++) {
        bool repeated = trust_find(work, work->certs[i]) < i; /* never take out the one to trust */
        int has = repeated ? 0 : has_cert(work, nss, i);
        if (has == 0)
            continue;
        if (has < 0 || !remove_cert(work, nss, i))
            return -1;
        removed++;
    }
    return removed;
}

static void add(struct trust_work *work, const struct nss *nss)
{
    char nick[NICKNAME_SIZE];
    scoped(mem_release) char *pem = x509_to_pem(work->certs, 1);

    if (remove_from(work, nss, 1) < 0) /* former CAs of ours are good for nothing now */
        return;
    if (is_trusted(work, nss)) {
        trust_step(work, nss->browser, nss->folder, CERT_TRUST_ALREADY,
                   "%s trusts the local CA already", nss->browser);
        return;
    }
    nickname(work->certs[0], nick);
    const char *argv[] = {"certutil", "-A", "-d",  nss->argument, "-n",
                          nick,       "-t", "C,,", "-a",          NULL};
    if (trust_do(work, &(struct trust_store){nss->browser, nss->folder, nss->person}, argv,
                 span_str(pem)))
        trust_hint(trust_step(work, nss->browser, nss->folder, CERT_TRUST_DONE,
                              "%s trusts the local CA now", nss->browser),
                   "restart %s if it is running", nss->browser);
}

static void take_out(struct trust_work *work, const struct nss *nss)
{
    int removed = remove_from(work, nss, 0);

    if (removed > 0)
        trust_hint(trust_step(work, nss->browser, nss->folder, CERT_TRUST_DONE,
                              "%s does not trust the local CA any more", nss->browser),
                   "restart %s if it is running", nss->browser);
    else if (removed == 0)
        trust_step(work, nss->browser, nss->folder, CERT_TRUST_ALREADY,
                   "%s does not have the local CA", nss->browser);
}

static bool has_store(const char *folder)
{
    scoped(mem_release) char *file = mem_format("%s/%s", folder, STORE_FILE);

    return access(file, F_OK) == 0;
}

static void change(struct trust_work *work, const char *browser, const char *folder,
                   const struct cert_trust_person *person)
{
    struct nss nss = {.browser = browser, .folder = folder, .person = person};

    nss.argument = mem_format("sql:%s", folder);
    if (work->adding)
        add(work, &nss);
    else
        take_out(work, &nss);
    free(nss.argument);
}

/* Everything in a person's home is made by that person: no link there can lead us astray. */
static bool make_store(struct trust_work *work, const char *folder,
                       const struct cert_trust_person *person)
{
    scoped(mem_release) char *parent = mem_format("%s/.pki", person->home);
    scoped(mem_release) char *argument = mem_format("sql:%s", folder);
    const char *folders[] = {"mkdir", "-p", "-m", "700", parent, folder, NULL};
    const char *store[] = {"certutil", "-N", "-d", argument, "--empty-password", NULL};

    const struct trust_store chromium = {"Chromium", folder, person};

    return trust_do(work, &chromium, folders, SPAN("")) &&
           trust_do(work, &chromium, store, SPAN(""));
}

/* @return how many stores there are, dealt with when `work` is not NULL */
static size_t chromium(struct trust_work *work, const struct cert_trust_person *person)
{
    size_t found = 0;

    for (size_t i = 0; i < ARRAY_SIZE(chromium_folders); i++) {
        scoped(mem_release) char *folder = mem_format("%s/%s", person->home, chromium_folders[i]);
        if (!has_store(folder))
            continue;
        found++;
        if (work)
            change(work, "Chromium", folder, person);
    }
    return found;
}

static size_t firefox_profiles(struct trust_work *work, const struct cert_trust_person *person,
                               const char *parent)
{
    struct dirent **entries = NULL;
    size_t found = 0;
    int count = scandir(parent, &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        scoped(mem_release) char *folder = mem_format("%s/%s", parent, entries[i]->d_name);
        bool inner = entries[i]->d_name[0] != '.';
        free(entries[i]);
        if (!inner || !has_store(folder))
            continue;
        found++;
        if (work)
            change(work, "Firefox", folder, person);
    }
    free(entries);
    return found;
}

static size_t firefox(struct trust_work *work, const struct cert_trust_person *person)
{
    size_t found = 0;

    for (size_t i = 0; i < ARRAY_SIZE(firefox_folders); i++) {
        scoped(mem_release) char *parent = mem_format("%s/%s", person->home, firefox_folders[i]);
        found += firefox_profiles(work, person, parent);
    }
    return found;
}

static bool tools_at_hand(struct trust_work *work, const struct cert_trust_person *person)
{
    bool switching = person->uid != geteuid();

    if (!command_exists("certutil"))
        trust_hint(trust_step(work, "Chromium, Firefox", person->home, CERT_TRUST_FAILED,
                              "certutil, which changes browsers' stores, is not installed"),
                   "Debian and Ubuntu: apt install libnss3-tools; Fedora: dnf install nss-tools; "
                   "then run gardien cert %s again",
                   work->adding ? "trust" : "untrust");
    else if (switching && geteuid() != 0)
        trust_step(work, "Chromium, Firefox", person->home, CERT_TRUST_SKIPPED,
                   "%s is somebody else's home, which only root may act in", person->home);
    else if (switching && !command_exists("setpriv"))
        trust_hint(trust_step(work, "Chromium, Firefox", person->home, CERT_TRUST_FAILED,
                              "setpriv, which acts in the name of %s's owner, is not installed",
                              person->home),
                   "run gardien cert %s without sudo as well", work->adding ? "trust" : "untrust");
    else
        return true;
    return false;
}

void trust_browsers(struct trust_work *work, const struct cert_trust_person *person)
{
    scoped(mem_release) char *folder = mem_format("%s/%s", person->home, chromium_folders[0]);
    bool missing = work->adding && person->create && !has_store(folder);

    if (!missing && chromium(NULL, person) + firefox(NULL, person) == 0) {
        trust_step(work, "Chromium, Firefox", person->home, CERT_TRUST_SKIPPED,
                   "no browser's store in %s", person->home);
        return;
    }
    if (!tools_at_hand(work, person) || (missing && !make_store(work, folder, person)))
        return;
    chromium(work, person);
    firefox(work, person);
}
