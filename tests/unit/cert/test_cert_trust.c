/* Trusting and untrusting with the real certutil in made-up homes and a made-up system: done once,
 * done twice, undone, and never more than our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/cert.h"
#include "cert/x509.h"
#include "make.h"
#include "os/command.h"

#define UPDATER                                                                                    \
    "#!/bin/sh\n"                                                                                  \
    "echo \"called $*\" >> \"${0%/*}/calls\"\n"                                                    \
    "test ! -e \"${0%/*}/broken\" || { echo 'disk on fire'; exit 9; }\n"

struct fixture {
    char *folder;
    char *home;
    char *root;
    char *pem;
    struct issued ca;
    struct cert_trust_person person;
    struct cert_trust_options options;
    struct cert_trust_report report;
};

static char *shell(const char *format, ...) printf_like(1, 2);

/* Runs a set-up command. @return what it said, until the next call */
static char *shell(const char *format, ...)
{
    static char said[8192];
    char script[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(script, sizeof script, format, args);
    va_end(args);
    const char *argv[] = {"sh", "-c", script, NULL};
    struct command command = {.argv = argv, .timeout = 60 * NSEC_PER_SEC};
    struct command_result result;
    assert_int_equal(command_run(&command, &result), 0);
    snprintf(said, sizeof said, "%.*s", SPAN_ARGS(buffer_span(&result.output)));
    if (result.exit_code != 0)
        fail_msg("%s: %s", script, said);
    command_result_finish(&result);
    return said;
}

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    f->folder = folder_make();
    f->home = mem_format("%s/home", f->folder);
    f->root = mem_format("%s/root", f->folder);
    mkdir(f->home, 0755);
    assert_int_equal(issue_ca("a@b", nsec_realtime(), &f->ca), 0);
    f->pem = x509_to_pem(&f->ca.cert, 1);
    f->person = (struct cert_trust_person){
        .home = f->home, .uid = geteuid(), .gid = getegid(), .create = true};
    f->options = (struct cert_trust_options){.ca_pem = span_str(f->pem),
                                             .system_root = f->root,
                                             .people = &f->person,
                                             .person_count = 1};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    cert_trust_report_finish(&f->report);
    issued_finish(&f->ca);
    free(f->pem);
    free(f->home);
    free(f->root);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static void trust(struct fixture *f)
{
    cert_trust_report_finish(&f->report);
    assert_int_equal(cert_trust(&f->options, &f->report), 0);
}

static void untrust(struct fixture *f)
{
    cert_trust_report_finish(&f->report);
    assert_int_equal(cert_untrust(&f->options, &f->report), 0);
}

/* The outcome of the only step for a store; fails when there is none or more than one. */
static enum cert_trust_outcome outcome(const struct fixture *f, const char *store)
{
    const struct cert_trust_step *found = NULL;

    for (size_t i = 0; i < f->report.count; i++) {
        if (strcmp(f->report.steps[i].store, store) != 0)
            continue;
        if (found)
            fail_msg("two steps for %s: %s; %s", store, found->sentence,
                     f->report.steps[i].sentence);
        found = &f->report.steps[i];
    }
    if (!found)
        fail_msg("no step for %s", store);
    return found->outcome;
}

static void make_debian(struct fixture *f)
{
    shell("mkdir -p %s/usr/sbin %s/usr/local/share/ca-certificates", f->root, f->root);
    scoped(mem_release) char *updater = mem_format("%s/usr/sbin/update-ca-certificates", f->root);
    write_text(updater, UPDATER, 0755);
}

static void make_store(const char *folder)
{
    shell("mkdir -p %s && certutil -N -d sql:%s --empty-password", folder, folder);
}

static bool store_trusts(const char *folder)
{
    const char *list = shell("certutil -L -d sql:%s", folder);
    const char *line = strstr(list, "gardien local CA ");

    return line && strstr(line, "C,,");
}

/* Where the system's store has a CA. @return for free() */
static char *system_file(const struct fixture *f, X509 *ca)
{
    struct cert_info info;

    x509_describe(ca, &info);
    const unsigned char *print = info.fingerprint;
    char *path = mem_format("%s/usr/local/share/ca-certificates/gardien-local-ca-"
                            "%02x%02x%02x%02x%02x%02x%02x%02x.crt",
                            f->root, print[0], print[1], print[2], print[3], print[4], print[5],
                            print[6], print[7]);
    x509_info_finish(&info);
    return path;
}

static void test_trust_system_store_of_debian(void **state)
{
    struct fixture *f = *state;
    scoped(mem_release) char *file = system_file(f, f->ca.cert);

    make_debian(f);
    f->options.person_count = 0;
    trust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_DONE);
    assert_string_equal(f->report.steps[0].path, file);
    scoped(mem_release) char *written = read_text(file);
    assert_string_equal(written, f->pem);
    trust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_ALREADY);
    untrust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_DONE);
    assert_int_equal(access(file, F_OK), -1);
    untrust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_ALREADY);
    assert_string_equal(shell("cat %s/usr/sbin/calls", f->root), "called \ncalled --fresh\n");
}

static void test_trust_system_store_of_fedora_and_arch(void **state)
{
    struct fixture *f = *state;
    const char *const folders[] = {"etc/pki/ca-trust/source/anchors",
                                   "etc/ca-certificates/trust-source/anchors"};

    f->options.person_count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        shell("rm -rf %s; mkdir -p %s/usr/bin %s/%s", f->root, f->root, f->root, folders[i]);
        scoped(mem_release) char *updater = mem_format("%s/usr/bin/update-ca-trust", f->root);
        write_text(updater, UPDATER, 0755);
        trust(f);
        assert_int_equal(outcome(f, "system"), CERT_TRUST_DONE);
        assert_non_null(strstr(f->report.steps[0].path, folders[i]));
        untrust(f);
        assert_int_equal(outcome(f, "system"), CERT_TRUST_DONE);
    }
}

static void test_trust_system_store_unknown_is_skipped(void **state)
{
    struct fixture *f = *state;

    f->options.person_count = 0;
    trust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_SKIPPED);
    assert_non_null(f->report.steps[0].hint);
    assert_int_equal(f->report.failed, 0);
}

static void test_trust_system_failure_leaves_nothing_and_can_be_retried(void **state)
{
    struct fixture *f = *state;

    make_debian(f);
    f->options.person_count = 0;
    shell("touch %s/usr/sbin/broken", f->root);
    trust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_FAILED);
    assert_int_equal(f->report.failed, 1);
    assert_non_null(strstr(f->report.steps[0].sentence, "code 9"));
    assert_non_null(strstr(f->report.steps[0].sentence, "disk on fire"));
    shell("rm %s/usr/sbin/broken", f->root);
    trust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_DONE);
}

static void test_untrust_system_leaves_strangers_alone(void **state)
{
    struct fixture *f = *state;
    struct issued stranger = {0};
    scoped(mem_release) char *file = system_file(f, f->ca.cert);

    make_debian(f);
    f->options.person_count = 0;
    assert_int_equal(issue_ca("x@y", nsec_realtime(), &stranger), 0);
    write_certs(file, (const struct issued *[]){&stranger}, 1);
    untrust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_SKIPPED);
    assert_int_equal(access(file, F_OK), 0);
    issued_finish(&stranger);
}

static void test_trust_system_keeps_the_cas_of_other_state_folders(void **state)
{
    struct fixture *f = *state;
    struct issued other = {0};

    make_debian(f);
    f->options.person_count = 0;
    trust(f);
    assert_int_equal(issue_ca("a@b", nsec_realtime(), &other), 0);
    scoped(mem_release) char *other_pem = x509_to_pem(&other.cert, 1);
    f->options.ca_pem = span_str(other_pem);
    trust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_DONE);
    scoped(mem_release) char *first = system_file(f, f->ca.cert);
    scoped(mem_release) char *second = system_file(f, other.cert);
    assert_int_equal(access(first, F_OK), 0);
    assert_int_equal(access(second, F_OK), 0);
    untrust(f);
    assert_int_equal(access(first, F_OK), 0);
    assert_int_equal(access(second, F_OK), -1);
    issued_finish(&other);
}

static void test_trust_system_takes_former_cas_out(void **state)
{
    struct fixture *f = *state;
    struct issued newer = {0};

    make_debian(f);
    f->options.person_count = 0;
    trust(f);
    assert_int_equal(issue_ca("a@b", nsec_realtime(), &newer), 0);
    scoped(mem_release) char *both = x509_to_pem((X509 *const[]){newer.cert, f->ca.cert}, 2);
    f->options.ca_pem = span_str(both);
    trust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_DONE);
    scoped(mem_release) char *first = system_file(f, f->ca.cert);
    scoped(mem_release) char *second = system_file(f, newer.cert);
    assert_int_equal(access(first, F_OK), -1);
    assert_int_equal(access(second, F_OK), 0);
    assert_string_equal(shell("cat %s/usr/sbin/calls", f->root), "called \ncalled --fresh\n");
    trust(f);
    assert_int_equal(outcome(f, "system"), CERT_TRUST_ALREADY);
    issued_finish(&newer);
}

static void test_trust_makes_the_store_of_chromium(void **state)
{
    struct fixture *f = *state;
    scoped(mem_release) char *store = mem_format("%s/.pki/nssdb", f->home);
    struct stat st;

    f->options.skip_system = true;
    trust(f);
    assert_int_equal(f->report.count, 1);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_DONE);
    assert_true(store_trusts(store));
    assert_int_equal(stat(store, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    trust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_ALREADY);
    untrust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_DONE);
    assert_false(store_trusts(store));
    untrust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_ALREADY);
}

static void test_trust_makes_no_store_unasked(void **state)
{
    struct fixture *f = *state;

    f->options.skip_system = true;
    f->person.create = false;
    trust(f);
    assert_int_equal(outcome(f, "Chromium, Firefox"), CERT_TRUST_SKIPPED);
    f->person.create = true;
    untrust(f);
    assert_int_equal(outcome(f, "Chromium, Firefox"), CERT_TRUST_SKIPPED);
    assert_string_equal(shell("ls -A %s", f->home), "");
}

static void test_trust_finds_profiles_of_firefox_wherever_they_are(void **state)
{
    struct fixture *f = *state;
    const char *const profiles[] = {".mozilla/firefox/abc.default",
                                    "snap/firefox/common/.mozilla/firefox/x y.dev",
                                    ".var/app/org.mozilla.firefox/.mozilla/firefox/q"};
    size_t done = 0;

    f->options.skip_system = true;
    f->person.create = false;
    for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
        shell("p='%s/%s'; mkdir -p \"$p\" && certutil -N -d sql:\"$p\" --empty-password", f->home,
              profiles[i]);
    shell("mkdir -p '%s/.mozilla/firefox/Crash Reports'", f->home);
    trust(f);
    for (size_t i = 0; i < f->report.count; i++) {
        assert_string_equal(f->report.steps[i].store, "Firefox");
        done += f->report.steps[i].outcome == CERT_TRUST_DONE;
    }
    assert_int_equal(f->report.count, ARRAY_SIZE(profiles));
    assert_int_equal(done, ARRAY_SIZE(profiles));
    assert_non_null(strstr(shell("certutil -L -d sql:'%s/%s'", f->home, profiles[1]), "C,,"));
}

static void test_untrust_keeps_others_certificates(void **state)
{
    struct fixture *f = *state;
    scoped(mem_release) char *store = mem_format("%s/.pki/nssdb", f->home);
    struct issued other = {0};

    f->options.skip_system = true;
    assert_int_equal(issue_ca("a@b", nsec_realtime(), &other), 0);
    write_certs(path_in(f->folder, "other.pem"), (const struct issued *[]){&other}, 1);
    make_store(store);
    shell("certutil -A -d sql:%s -n 'gardien local CA 0000000000000000' -t C,, -i %s/other.pem",
          store, f->folder);
    trust(f);
    untrust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_DONE);
    assert_non_null(
        strstr(shell("certutil -L -d sql:%s", store), "gardien local CA 0000000000000000"));
    issued_finish(&other);
}

static void test_trust_takes_former_cas_out(void **state)
{
    struct fixture *f = *state;
    scoped(mem_release) char *store = mem_format("%s/.pki/nssdb", f->home);
    struct issued newer = {0};

    f->options.skip_system = true;
    trust(f);
    assert_int_equal(issue_ca("a@b", nsec_realtime(), &newer), 0);
    scoped(mem_release) char *both = x509_to_pem((X509 *const[]){newer.cert, f->ca.cert}, 2);
    f->options.ca_pem = span_str(both);
    trust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_DONE);
    const char *list = shell("certutil -L -d sql:%s", store);
    const char *first = strstr(list, "gardien local CA ");
    assert_non_null(first);
    assert_null(strstr(first + 1, "gardien local CA "));
    untrust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_DONE);
    assert_null(strstr(shell("certutil -L -d sql:%s", store), "gardien"));
    issued_finish(&newer);
}

static void test_trust_fixes_an_entry_without_trust(void **state)
{
    struct fixture *f = *state;
    scoped(mem_release) char *store = mem_format("%s/.pki/nssdb", f->home);

    f->options.skip_system = true;
    trust(f);
    shell("certutil -M -d sql:%s -t ,, -n \"$(certutil -L -d sql:%s | grep -o "
          "'gardien local CA [0-9a-f]*')\"",
          store, store);
    assert_false(store_trusts(store));
    trust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_DONE);
    assert_true(store_trusts(store));
}

static void test_trust_reports_a_broken_store(void **state)
{
    struct fixture *f = *state;

    f->options.skip_system = true;
    shell("mkdir -p %s/.pki/nssdb; echo junk > %s/.pki/nssdb/cert9.db", f->home, f->home);
    trust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_FAILED);
    untrust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_FAILED);
}

static void test_trust_under_sudo_acts_as_the_person(void **state)
{
    struct fixture *f = *state;
    scoped(mem_release) char *store = mem_format("%s/.pki/nssdb", f->home);

    if (geteuid() != 0)
        skip();
    chmod(f->folder, 0755);
    assert_int_equal(chown(f->home, 65534, 65534), 0);
    f->person.uid = 65534;
    f->person.gid = 65534;
    f->options.skip_system = true;
    trust(f);
    assert_int_equal(outcome(f, "Chromium"), CERT_TRUST_DONE);
    assert_true(store_trusts(store));
    assert_string_equal(shell("find %s ! -uid 65534", f->home), "");
}

static void test_trust_without_certutil_says_what_to_install(void **state)
{
    struct fixture *f = *state;
    char *path = mem_string(span_str(getenv("PATH")));

    f->options.skip_system = true;
    setenv("PATH", "/nowhere", 1);
    trust(f);
    setenv("PATH", path, 1);
    free(path);
    assert_int_equal(outcome(f, "Chromium, Firefox"), CERT_TRUST_FAILED);
    assert_non_null(strstr(f->report.steps[0].hint, "apt install libnss3-tools"));
}

static void test_trust_of_no_certificate_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct cert_trust_report report;

    f->options.ca_pem = SPAN("hello");
    assert_int_equal(cert_trust(&f->options, &report), ERR_SYNTAX);
}

static void test_people_are_the_caller_and_who_called_sudo(void **state)
{
    struct cert_trust_person *people;
    size_t count = cert_trust_people(NULL, &people);

    assert_int_equal(count, 1);
    assert_int_equal(people[0].uid, geteuid());
    assert_true(people[0].create);
    cert_trust_people_free(people, count);
    if (geteuid() != 0)
        skip();
    count = cert_trust_people("nobody", &people);
    assert_int_equal(count, 2);
    assert_false(people[0].create);
    assert_int_equal(people[1].uid, 65534);
    assert_true(people[1].create);
    cert_trust_people_free(people, count);
    count = cert_trust_people("root", &people);
    assert_int_equal(count, 1);
    cert_trust_people_free(people, count);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_trust_system_store_of_debian),
        TEST(test_trust_system_store_of_fedora_and_arch),
        TEST(test_trust_system_store_unknown_is_skipped),
        TEST(test_trust_system_failure_leaves_nothing_and_can_be_retried),
        TEST(test_untrust_system_leaves_strangers_alone),
        TEST(test_trust_system_keeps_the_cas_of_other_state_folders),
        TEST(test_trust_system_takes_former_cas_out),
        TEST(test_trust_makes_the_store_of_chromium),
        TEST(test_trust_makes_no_store_unasked),
        TEST(test_trust_finds_profiles_of_firefox_wherever_they_are),
        TEST(test_untrust_keeps_others_certificates),
        TEST(test_trust_takes_former_cas_out),
        TEST(test_trust_fixes_an_entry_without_trust),
        TEST(test_trust_reports_a_broken_store),
        TEST(test_trust_under_sudo_acts_as_the_person),
        TEST(test_trust_without_certutil_says_what_to_install),
        TEST(test_trust_of_no_certificate_is_an_error),
        cmocka_unit_test(test_people_are_the_caller_and_who_called_sudo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
