/* The process that reads settings and makes certificates, and the diags that it sends back. */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/diag_json.h"
#include "app/prepare.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/state.h"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    char *folder = mem_string(SPAN("/tmp/gardien-prepare-XXXXXX"));

    *state = folder;
    return mkdtemp(folder) && chmod(folder, 0755) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    int r = nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);

    free(*state);
    return r;
}

static struct process_host host;

static int prepare(const char *text, struct prepared *ret_prepared)
{
    struct settings_source source = {.text = text};
    struct prepare_job job;
    int status;

    assert_int_equal(prepare_start(&host, &source, &job), 0);
    assert_int_equal(waitpid(job.pid, &status, 0), job.pid);
    int r = prepare_finish(&job, status, ret_prepared);
    assert_int_equal(job.pid, 0);
    return r;
}

static void test_sites_without_certificates_get_local_ones(void **state)
{
    const char *folder = *state;
    scoped(mem_release) char *text =
        mem_format("{\"state\": \"%s/state\", \"sites\": [{\"names\": [\"localhost\", "
                   "\"127.0.0.1\"]}, {\"names\": [\"*.example.test\"]}]}",
                   folder);
    scoped(mem_release) char *key = mem_format("%s/state/local/localhost/key.pem", folder);
    struct prepared first, second;
    struct stat st;

    assert_int_equal(prepare(text, &first), 0);
    assert_true(first.ca_made);
    assert_int_equal(first.site_count, 2);
    assert_int_equal(first.sites[1].count, 1);
    assert_null(first.sites[1].certificates[0].key_path);
    assert_non_null(strstr(first.sites[0].certificates[0].chain_pem, "BEGIN CERTIFICATE"));
    assert_null(strstr(first.sites[0].certificates[0].chain_pem, "PRIVATE"));
    assert_true(first.renew_at > nsec_realtime() && first.renew_at < NSEC_NEVER);
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(prepare(text, &second), 0);
    assert_false(second.ca_made);
    assert_string_equal(second.sites[0].certificates[0].chain_pem,
                        first.sites[0].certificates[0].chain_pem);
    prepared_finish(&first);
    prepared_finish(&second);
}

/* The settings stand among the secrets here: the process finds nothing there any more. */
static void test_the_guardians_secrets_are_wiped_in_its_processes(void **state)
{
    scoped(mem_release) char *text = mem_format(
        "{\"state\": \"%s/state\", \"sites\": [{\"names\": [\"localhost\"]}]}", (char *)*state);
    struct prepared prepared;

    host = (struct process_host){.secrets = text, .secrets_len = strlen(text)};
    assert_int_equal(prepare(text, &prepared), ERR_SETTINGS);
    prepared_finish(&prepared);
    host = (struct process_host){.user = NULL};
    assert_int_equal(prepare(text, &prepared), 0);
    prepared_finish(&prepared);
}

static void test_mistakes_come_back_with_their_place(void **state)
{
    const char *folder = *state;
    scoped(mem_release) char *text =
        mem_format("{\"state\": \"%s/state\", \"sites\": [{\"names\": [\"a b\"], \"files\": \"/\", "
                   "\"certificate\": {\"file\": \"/nowhere.pem\"}}]}",
                   folder);
    scoped(mem_release) char *made = mem_format("%s/state", folder);
    struct prepared prepared;

    assert_int_equal(prepare(text, &prepared), ERR_SETTINGS);
    assert_true(prepared.diags.errors >= 2);
    assert_int_equal(prepared.diags.items[0].line, 1);
    assert_non_null(strstr(prepared.diags.items[0].sentence, "a b"));
    assert_non_null(strstr(prepared.diags.items[1].sentence, "/nowhere.pem"));
    prepared_finish(&prepared);
    assert_int_equal(access(made, F_OK), -1); /* nothing was made for settings that are wrong */
}

static void test_a_process_that_dies_is_a_mistake_too(void **state)
{
    struct prepare_job job = {.pid = 1, .result_fd = open("/dev/null", O_RDONLY | O_CLOEXEC)};
    struct prepared prepared;

    (void)state;
    assert_int_equal(prepare_finish(&job, 9, &prepared), ERR_SETTINGS); /* killed by signal 9 */
    assert_int_equal(prepared.diags.errors, 1);
    prepared_finish(&prepared);
}

static void test_a_state_folder_that_others_may_write_is_refused(void **state)
{
    scoped(mem_release) char *path = mem_format("%s/open", (const char *)*state);
    struct diags diags = {0};

    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chmod(path, 0777), 0);
    assert_true(state_open(path, &diags) < 0);
    assert_int_equal(diags.errors, 1);
    assert_int_equal(chmod(path, 0700), 0);
    int fd = state_open(path, &diags);
    assert_true(fd >= 0);
    close(fd);
    diags_finish(&diags);
}

static void test_diags_go_through_json(void **state)
{
    struct diags sent = {0}, got = {0};

    (void)state;
    struct diag *diag = diags_add(&sent, "wrong \"%s\"", "x");
    diag_place(diag, "a.yaml", 3, 5, "the \xff line");
    diag_hint(diag, "fix it");
    diags_add(&sent, "only a warning")->warning = true;
    json_t *json = diags_to_json(&sent);
    json_array_append_new(json, json_integer(3)); /* passed over */
    diags_from_json(json, &got);
    json_decref(json);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.errors, 1);
    assert_string_equal(got.items[0].sentence, "wrong \"x\"");
    assert_string_equal(got.items[0].file, "a.yaml");
    assert_int_equal(got.items[0].line, 3);
    assert_int_equal(got.items[0].column, 5);
    assert_string_equal(got.items[0].line_text, "the ? line");
    assert_string_equal(got.items[0].hint, "fix it");
    assert_true(got.items[1].warning);
    assert_null(got.items[1].file);
    diags_finish(&sent);
    diags_finish(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sites_without_certificates_get_local_ones, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_guardians_secrets_are_wiped_in_its_processes,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mistakes_come_back_with_their_place, set_up,
                                        tear_down),
        cmocka_unit_test(test_a_process_that_dies_is_a_mistake_too),
        cmocka_unit_test_setup_teardown(test_a_state_folder_that_others_may_write_is_refused,
                                        set_up, tear_down),
        cmocka_unit_test(test_diags_go_through_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
