/* Messages and snapshots between processes: there and back, and what is not well-formed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/ipc.h"
#include "app/settings.h"
#include "app/snapshot.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "os/fdpass.h"

static const char text[] = "{\"sites\": [{\"names\": [\"localhost\"], \"files\": \"/srv\"}, "
                           "{\"names\": [\"example.com\"]}]}";

static size_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* A snapshot of two sites and `listeners` sockets, which are standard input. */
static struct snapshot example(size_t listeners)
{
    static struct file_number guarded[2] = {{1, 20}, {UINT64_MAX, 3}};
    struct snapshot s = {.generation = 7, .ticket_key_count = 2, .site_count = 2};

    static char *roots[2] = {NULL, (char *)"certificates"};
    s.roots = (struct upstream_roots){roots, 2};
    s.guard = (struct files_guard){.items = guarded, .count = 2, .state = {5, 6}};
    static char chain[] = "-----BEGIN CERTIFICATE-----", address[] = ":443", ocsp[] = {1, 0, 2};

    s.listeners = mem_zalloc((listeners + 1) * sizeof *s.listeners);
    s.listener_count = listeners;
    for (size_t i = 0; i < listeners; i++)
        s.listeners[i] = (struct snapshot_listener){.id = i + 1,
                                                    .secure = i % 2,
                                                    .datagrams = i % 5 == 0,
                                                    .index = (uint8_t)i,
                                                    .proxy_protocol = i % 3 == 0,
                                                    .address = address,
                                                    .port = 443};
    s.sites = mem_zalloc(2 * sizeof *s.sites);
    static int folders[] = {0};
    s.folders = folders;
    s.folder_count = 1;
    s.sites[0].certificates = mem_zalloc(2 * sizeof *s.sites[0].certificates);
    s.sites[0].certificates[0] = (struct snapshot_certificate){
        .key_id = 9, .chain_pem = chain, .ocsp = ocsp, .ocsp_len = 3, .ocsp_until = 77};
    memset(s.sites[0].certificates[0].fingerprint, 8, TLS_FINGERPRINT_SIZE);
    s.sites[0].certificates[1] = (struct snapshot_certificate){.key_id = 10, .chain_pem = chain};
    s.sites[0].certificate_count = 2;
    memset(s.ticket_keys, 5, sizeof s.ticket_keys);
    return s;
}

static void release(struct snapshot *s)
{
    free(s->listeners);
    free(s->sites[0].certificates);
    free(s->sites);
}

/* Receives messages until a snapshot is complete or one is refused. */
static int receive_all(int socket, struct snapshot **ret, size_t *ret_parts)
{
    struct snapshot_inbox inbox = {0};
    struct ipc_message message;
    int r = 0;

    for (*ret_parts = 0; r == 0; ++*ret_parts) {
        r = ipc_receive(socket, &message);
        assert_int_equal(r, 1);
        r = snapshot_receive(&inbox, &message, ret);
        ipc_finish(&message);
    }
    snapshot_inbox_finish(&inbox);
    return r;
}

static void round_trip(size_t listeners, size_t parts)
{
    struct snapshot sent = example(listeners), *got = NULL;
    size_t got_parts, before = open_descriptors();
    int pair[2];

    assert_int_equal(fdpass_pair(pair), 0);
    assert_int_equal(snapshot_send(pair[0], &sent, text), 0);
    assert_int_equal(receive_all(pair[1], &got, &got_parts), 1);
    assert_int_equal(got_parts, parts);
    assert_int_equal(got->generation, 7);
    assert_int_equal(got->listener_count, listeners);
    for (size_t i = 0; i < listeners; i++) {
        assert_int_equal(got->listeners[i].id, i + 1);
        assert_true(got->listeners[i].fd > 2);
        assert_int_equal(got->listeners[i].secure, i % 2);
        assert_int_equal(got->listeners[i].datagrams, i % 5 == 0);
        assert_int_equal(got->listeners[i].index, (uint8_t)i);
        assert_int_equal(got->listeners[i].proxy_protocol, i % 3 == 0);
        assert_string_equal(got->listeners[i].address, ":443");
        assert_int_equal(got->listeners[i].port, 443);
    }
    assert_int_equal(got->site_count, 2);
    assert_int_equal(got->folder_count, 1);
    assert_true(got->folders[0] > 2);
    assert_int_equal(got->sites[0].certificates[0].key_id, 9);
    assert_string_equal(got->sites[0].certificates[0].chain_pem, "-----BEGIN CERTIFICATE-----");
    assert_int_equal(got->sites[0].certificates[0].ocsp_len, 3);
    assert_memory_equal(got->sites[0].certificates[0].ocsp, "\1\0\2", 3);
    assert_int_equal(got->sites[0].certificates[0].ocsp_until, 77);
    assert_int_equal(got->sites[0].certificates[0].fingerprint[31], 8);
    assert_int_equal(got->sites[0].certificates[1].key_id, 10);
    assert_null(got->sites[0].certificates[1].ocsp);
    assert_int_equal(got->ticket_key_count, 2);
    assert_int_equal(got->roots.count, 2);
    assert_null(got->roots.items[0]);
    assert_string_equal(got->roots.items[1], "certificates");
    assert_int_equal(got->guard.count, 2);
    assert_true(got->guard.items[1].device == UINT64_MAX && got->guard.items[1].inode == 3);
    assert_true(got->guard.state.device == 5 && got->guard.state.inode == 6);
    assert_memory_equal(got->ticket_keys, sent.ticket_keys, 2 * TICKET_KEY_SIZE);
    assert_string_equal(settings_sites(got->settings)[1].names.items[0], "example.com");
    snapshot_destroy(got);
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(open_descriptors(), before);
    release(&sent);
}

static void test_a_snapshot_arrives_as_it_was_sent(void **state)
{
    (void)state;
    round_trip(0, 1);
    round_trip(3, 1);
}

static void test_many_descriptors_take_several_messages(void **state)
{
    (void)state;
    round_trip(IPC_FDS_MAX - 2, 1);
    round_trip(IPC_FDS_MAX - 1, 2);
    round_trip(2 * IPC_FDS_MAX - 2, 2);
    round_trip(2 * IPC_FDS_MAX - 1, 3);
}

static void test_every_cut_snapshot_is_refused(void **state)
{
    struct snapshot sent = example(2), *got = NULL;
    struct buffer bytes;

    (void)state;
    assert_int_equal(snapshot_encode(&sent, text, &bytes), 0);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(snapshot_decode(span_of(bytes.data, len), &got), ERR_PROTOCOL);
    assert_int_equal(snapshot_decode(buffer_span(&bytes), &got), 0);
    assert_int_equal(got->listeners[1].fd, SNAPSHOT_FD_DUE);
    snapshot_destroy(got);
    assert_int_equal(buffer_append(&bytes, "x", 1), 0);
    assert_int_equal(snapshot_decode(buffer_span(&bytes), &got), ERR_PROTOCOL);
    buffer_finish(&bytes);
    release(&sent);
}

static void test_settings_that_do_not_fit_are_refused(void **state)
{
    struct snapshot sent = example(1), *got = NULL;
    struct buffer bytes;

    (void)state;
    assert_int_equal(snapshot_encode(&sent, "{\"sites\": [{\"names\": \"a\"}]}", &bytes), 0);
    assert_int_equal(snapshot_decode(buffer_span(&bytes), &got), ERR_PROTOCOL);
    buffer_finish(&bytes);
    assert_int_equal(snapshot_encode(&sent, "{\"sites\": 3}", &bytes), 0);
    assert_int_equal(snapshot_decode(buffer_span(&bytes), &got), ERR_SETTINGS);
    buffer_finish(&bytes);
    release(&sent);
}

/* Sends the parts of a snapshot, each changed by `spoil`. */
static int receive_spoilt(void (*spoil)(struct ipc_message *message, size_t part))
{
    struct snapshot sent = example(IPC_FDS_MAX), *got = NULL;
    struct snapshot_inbox inbox = {0};
    struct ipc_message message;
    size_t before = open_descriptors();
    int pair[2], r = 0;

    assert_int_equal(fdpass_pair(pair), 0);
    assert_int_equal(snapshot_send(pair[0], &sent, text), 0);
    for (size_t part = 0; part < 2 && r == 0; part++) {
        assert_int_equal(ipc_receive(pair[1], &message), 1);
        spoil(&message, part);
        r = snapshot_receive(&inbox, &message, &got);
        ipc_finish(&message);
    }
    assert_int_equal(inbox.fd_wanted, 0);
    close(pair[0]);
    while (ipc_receive(pair[1], &message) == 1)
        ipc_finish(&message);
    close(pair[1]);
    assert_int_equal(open_descriptors(), before);
    release(&sent);
    return r;
}

static void other_generation(struct ipc_message *message, size_t part)
{
    message->value += part;
}

static void other_kind(struct ipc_message *message, size_t part)
{
    if (part)
        message->kind = IPC_DRAIN;
}

static void wrong_memory(struct ipc_message *message, size_t part)
{
    int first = message->fds[0];

    if (part == 0) {
        message->fds[0] = message->fds[1];
        message->fds[1] = first;
    }
}

static void too_many_wanted(struct ipc_message *message, size_t part)
{
    (void)part;
    memset(message->text, 0xff, message->text_len);
}

static void fewer_than_sent(struct ipc_message *message, size_t part)
{
    (void)part;
    message->text[0]--;
}

static void test_parts_that_do_not_fit_are_refused_and_closed(void **state)
{
    (void)state;
    assert_int_equal(receive_spoilt(other_generation), ERR_PROTOCOL);
    assert_int_equal(receive_spoilt(other_kind), ERR_PROTOCOL);
    assert_true(receive_spoilt(wrong_memory) < 0);
    assert_int_equal(receive_spoilt(too_many_wanted), ERR_PROTOCOL);
    assert_int_equal(receive_spoilt(fewer_than_sent), ERR_PROTOCOL);
}

static void test_messages_that_are_not_well_formed_are_refused(void **state)
{
    struct ipc_message message;
    size_t before = open_descriptors();
    int pair[2], fds[2] = {0, 0};

    (void)state;
    assert_int_equal(fdpass_pair(pair), 0);
    assert_int_equal(ipc_say(pair[0], IPC_FAILED, 3, SPAN("why")), 0);
    assert_int_equal(ipc_receive(pair[1], &message), 1);
    assert_int_equal(message.kind, IPC_FAILED);
    assert_int_equal(message.value, 3);
    assert_int_equal(message.text_len, 3);
    assert_int_equal(fdpass_send(pair[0], SPAN("too short"), fds, 2), 0);
    assert_int_equal(ipc_receive(pair[1], &message), ERR_PROTOCOL);
    assert_int_equal(fdpass_send(pair[0], SPAN("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), fds, 2), 0);
    assert_int_equal(ipc_receive(pair[1], &message), ERR_PROTOCOL);
    assert_int_equal(fdpass_send(pair[0], SPAN("\3\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0x"), fds, 2), 0);
    assert_int_equal(ipc_receive(pair[1], &message), ERR_PROTOCOL);
    close(pair[0]);
    assert_int_equal(ipc_receive(pair[1], &message), 0);
    close(pair[1]);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_snapshot_arrives_as_it_was_sent),
        cmocka_unit_test(test_many_descriptors_take_several_messages),
        cmocka_unit_test(test_every_cut_snapshot_is_refused),
        cmocka_unit_test(test_settings_that_do_not_fit_are_refused),
        cmocka_unit_test(test_parts_that_do_not_fit_are_refused_and_closed),
        cmocka_unit_test(test_messages_that_are_not_well_formed_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
