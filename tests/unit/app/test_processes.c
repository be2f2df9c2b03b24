/* Processes of the table in their sandbox, driven as the guardian drives them, and the channels of
 * their workers. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/channel.h"
#include "app/ipc.h"
#include "app/process_launch.h"
#include "base/error.h"
#include "os/fdpass.h"
#include "os/process.h"
#include "os/socket.h"
#include "tls/tls.h"

struct helper {
    pid_t pid;
    int socket;
};

static struct helper start(enum process_id id)
{
    const struct process_host host = {.user = NULL};
    struct helper helper;
    int pair[2];

    assert_int_equal(fdpass_pair(pair), 0);
    struct process_launch launch = process_launch_of(id, pair[1], NULL);
    helper.pid = process_launch(&host, &launch);
    assert_true(helper.pid > 0);
    close(pair[1]);
    helper.socket = pair[0];
    assert_int_equal(socket_receive_timeout(helper.socket, 10 * NSEC_PER_SEC), 0);
    return helper;
}

static void finish(struct helper *helper)
{
    int status;

    close(helper->socket);
    assert_int_equal(waitpid(helper->pid, &status, 0), helper->pid);
    assert_int_equal(status, 0);
}

static int connect_client(const struct helper *helper)
{
    int pair[2];

    assert_int_equal(fdpass_pair(pair), 0);
    assert_int_equal(
        ipc_pass(helper->socket, IPC_CLIENT, KEYS_MAY_SHAKE_HANDS | KEYS_MAY_CERTIFY, pair[1]), 0);
    close(pair[1]);
    return pair[0];
}

static int memory(const char *text, size_t len)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_int_equal(pwrite(fd, text, len, 0), len);
    return fd;
}

/* ---- logs ---- */

static void send_files(const struct helper *helper, int access, int error)
{
    struct ipc_message message = {
        .kind = IPC_LOG_FILES, .text = "ae", .text_len = 2, .fds = {access, error}, .fd_count = 2};

    assert_int_equal(ipc_send(helper->socket, &message), 0);
}

static void assert_holds(int fd, const char *text)
{
    char got[256];

    ssize_t n = pread(fd, got, sizeof got - 1, 0);
    got[n > 0 ? n : 0] = '\0';
    assert_string_equal(got, text);
}

static void test_lines_reach_the_file_of_their_stream(void **state)
{
    struct helper logs = start(PROCESS_LOGS);
    int access = memfd_create("a", MFD_CLOEXEC), error = memfd_create("e", MFD_CLOEXEC);
    int client;

    (void)state;
    send_files(&logs, access, error);
    client = connect_client(&logs);
    assert_int_equal(send(client, "aone\ntwo\n", 9, 0), 9);
    assert_int_equal(send(client, "ebad\n", 5, 0), 5);
    assert_int_equal(send(client, "xnobody\n", 8, 0), 8);
    assert_int_equal(send(client, "a", 1, 0), 1);
    assert_int_equal(send(client, "athree\n", 7, 0), 7);
    /* What was sent before the end is written. */
    finish(&logs);
    assert_holds(access, "one\ntwo\nthree\n");
    assert_holds(error, "bad\n");
    close(access);
    close(error);
    close(client);
}

static void test_a_full_disk_is_told_once(void **state)
{
    struct helper logs = start(PROCESS_LOGS);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC), client;
    struct ipc_message message;

    (void)state;
    assert_true(full >= 0);
    send_files(&logs, full, full);
    client = connect_client(&logs);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(client, "aline\n", 6, 0), 6);
    assert_int_equal(ipc_receive(logs.socket, &message), 1);
    assert_int_equal(message.kind, IPC_LOG_TROUBLE);
    assert_int_equal(message.value, ENOSPC);
    assert_int_equal(message.text[0], IPC_LOG_ACCESS);
    assert_int_equal(shutdown(logs.socket, SHUT_WR), 0);
    assert_int_equal(ipc_receive(logs.socket, &message), 0);
    finish(&logs);
    close(full);
    close(client);
}

/* ---- keys ---- */

struct pair {
    char key[4096];
    size_t key_len;
    char chain[4096];
    size_t chain_len;
};

static size_t drain_bio(BIO *bio, char *out, size_t room)
{
    int n = BIO_read(bio, out, (int)room);

    BIO_free(bio);
    assert_true(n > 0);
    return (size_t)n;
}

static struct pair make_pair(void)
{
    struct pair pair;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());

    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    assert_int_equal(X509_set_pubkey(x509, key), 1);
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    pair.key_len = drain_bio(bio, pair.key, sizeof pair.key);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, x509), 1);
    pair.chain_len = drain_bio(bio, pair.chain, sizeof pair.chain);
    X509_free(x509);
    EVP_PKEY_free(key);
    return pair;
}

static int load(const struct helper *keys, uint64_t id, int key, int chain)
{
    struct ipc_message message = {
        .kind = IPC_KEY_LOAD, .value = id, .fds = {key, chain}, .fd_count = 2};

    message.text[0] = KEYS_FOR_SERVER;
    message.text_len = 1;

    assert_int_equal(ipc_send(keys->socket, &message), 0);
    assert_int_equal(ipc_receive(keys->socket, &message), 1);
    assert_int_equal(message.kind, IPC_DONE);
    return -(int)message.value;
}

/* Signs with a key that lives in the keys process and verifies with the certificate's. */
static bool sign(struct keys_remote *remote, uint64_t id, const struct pair *pair)
{
    BIO *bio = BIO_new_mem_buf(pair->chain, (int)pair->chain_len);
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_MD_CTX *to_sign = EVP_MD_CTX_new(), *to_verify = EVP_MD_CTX_new();
    EVP_PKEY *public = X509_get0_pubkey(x509), *key = NULL;
    unsigned char signature[256], message[64 + 34 + 32];
    size_t len = sizeof signature;

    memset(message, ' ', 64);
    memcpy(message + 64, "TLS 1.3, server CertificateVerify", 34);
    memset(message + 64 + 34, 'h', 32);

    assert_int_equal(keys_remote_key(remote, id, span_of(pair->chain, pair->chain_len), &key), 0);
    bool fine = EVP_DigestSignInit(to_sign, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(to_sign, signature, &len, message, sizeof message) == 1 &&
                EVP_DigestVerifyInit(to_verify, NULL, EVP_sha256(), NULL, public) == 1 &&
                EVP_DigestVerify(to_verify, signature, len, message, sizeof message) == 1;
    EVP_MD_CTX_free(to_sign);
    EVP_MD_CTX_free(to_verify);
    EVP_PKEY_free(key);
    X509_free(x509);
    BIO_free(bio);
    return fine;
}

static void test_keys_are_loaded_checked_and_used(void **state)
{
    struct helper keys = start(PROCESS_KEYS);
    struct pair one = make_pair(), two = make_pair();
    int key = memory(one.key, one.key_len), chain = memory(one.chain, one.chain_len);
    int other = memory(two.chain, two.chain_len), junk = memory("junk", 4);
    struct keys_remote *remote = NULL;

    (void)state;
    int client = connect_client(&keys);
    assert_int_equal(load(&keys, 1, key, chain), 0);
    assert_int_equal(load(&keys, 2, key, other), ERR_TLS);
    assert_int_equal(load(&keys, 3, junk, chain), ERR_SYNTAX);
    assert_int_equal(load(&keys, 4, key, junk), ERR_SYNTAX);
    assert_int_equal(keys_remote_create(client, &remote), 0);
    assert_int_equal(keys_remote_ping(remote), 0);
    assert_true(sign(remote, 1, &one));
    assert_false(sign(remote, 2, &two)); /* refused above, so not kept */
    assert_int_equal(ipc_say(keys.socket, IPC_KEY_DROP, 1, SPAN("")), 0);
    assert_int_equal(load(&keys, 3, junk, chain), ERR_SYNTAX); /* the drop is done by now */
    assert_false(sign(remote, 1, &one));
    keys_remote_destroy(remote);
    finish(&keys);
    close(client);
    close(key);
    close(chain);
    close(other);
    close(junk);
}

static int made(const struct helper *keys, uint64_t id)
{
    struct ipc_message message;

    assert_int_equal(ipc_receive(keys->socket, &message), 1);
    assert_int_equal(message.kind, IPC_KEY_MADE);
    assert_int_equal(message.value, id);
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)message.text_len, message.text);
    return -atoi(text);
}

static void send_make(const struct helper *keys, uint64_t id, enum keys_kind kind, int fd)
{
    struct ipc_message message = {.kind = IPC_KEY_MAKE,
                                  .value = id,
                                  .text = {KEYS_FOR_SERVER, (char)kind},
                                  .text_len = 2,
                                  .fds = {fd},
                                  .fd_count = fd < 0 ? 0 : 1};

    assert_int_equal(ipc_send(keys->socket, &message), 0);
}

/* In its sandbox: what a key that is made needs of the kernel is allowed. */
static void test_keys_are_made_into_the_guardians_file(void **state)
{
    struct helper keys = start(PROCESS_KEYS);
    int file = memfd_create("key", MFD_CLOEXEC), client = connect_client(&keys);
    struct buffer csr = buffer_make(1 << 16), jwk = buffer_make(1 << 16);
    struct keys_remote *remote;
    char text[64];

    assert_int_equal(keys_remote_create(client, &remote), 0);
    send_make(&keys, 5, KEYS_KIND_P256, file);
    assert_int_equal(made(&keys, 5), 0);
    assert_true(pread(file, text, sizeof text, 0) == sizeof text);
    assert_memory_equal(text, "-----BEGIN PRIVATE KEY-----\n", 28);
    assert_int_equal(keys_remote_csr(remote, 5, SPAN("example.com\n"), false, &csr), 0);
    assert_int_equal(keys_remote_jwk(remote, 5, &jwk), ERR_TLS); /* no account's */
    send_make(&keys, 6, KEYS_KIND_P256, file);
    assert_int_equal(made(&keys, 6), -EEXIST);
    send_make(&keys, 7, 99, -1);
    assert_int_equal(made(&keys, 7), ERR_TLS);
    buffer_finish(&csr);
    buffer_finish(&jwk);
    keys_remote_destroy(remote);
    finish(&keys);
    close(client);
    close(file);
}

/* Handshakes wait for nobody who has a large key made, nor does the guardian's watchdog. */
static void test_keys_answer_while_a_large_key_is_made(void **state)
{
    struct helper keys = start(PROCESS_KEYS);
    struct pair one = make_pair();
    int key = memory(one.key, one.key_len), chain = memory(one.chain, one.chain_len);
    int client = connect_client(&keys);
    struct keys_remote *remote;
    struct ipc_message message;

    assert_int_equal(keys_remote_create(client, &remote), 0);
    assert_int_equal(load(&keys, 1, key, chain), 0);
    send_make(&keys, 2, KEYS_KIND_RSA4096, -1);
    send_make(&keys, 3, KEYS_KIND_P256, -1);
    assert_true(sign(remote, 1, &one));
    assert_int_equal(made(&keys, 3), -EBUSY);
    assert_int_equal(ipc_say(keys.socket, IPC_PING, 0, SPAN("")), 0);
    assert_int_equal(ipc_receive(keys.socket, &message), 1);
    assert_int_equal(message.kind, IPC_PONG);
    keys_remote_destroy(remote);
    finish(&keys); /* which ends the making too */
    close(client);
    close(key);
    close(chain);
}

static void test_a_load_without_its_descriptors_is_refused(void **state)
{
    struct helper keys = start(PROCESS_KEYS);
    struct ipc_message message;

    (void)state;
    assert_int_equal(ipc_pass(keys.socket, IPC_KEY_LOAD, 1, 0), 0);
    assert_int_equal(ipc_receive(keys.socket, &message), 1);
    assert_int_equal(-(int)message.value, ERR_PROTOCOL);
    finish(&keys);
}

/* ---- every row ---- */

static void test_every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROCESSES; i++) {
        const struct process_row *row = &process_rows[i];
        assert_non_null(row->name);
        assert_non_null(row->run);
        assert_true(row->role < SANDBOX_ROLES);
        assert_true(i < PROCESSES_LASTING || row->channel == CHANNEL_NONE);
        for (size_t l = 0; l < row->link_count; l++)
            assert_int_not_equal(process_rows[row->links[l].to].channel, CHANNEL_NONE);
        assert_int_equal(row->restart == RESTART_NEVER, i >= PROCESS_PREPARE);
    }
}

static void test_a_process_that_cannot_be_confined_says_why(void **state)
{
    const struct process_host host = {.user = "no such account"};
    struct ipc_message message;
    int pair[2], status;

    (void)state;
    assert_int_equal(fdpass_pair(pair), 0);
    struct process_launch launch = process_launch_of(PROCESS_KEYS, pair[1], NULL);
    pid_t pid = process_launch(&host, &launch);
    close(pair[1]);
    assert_int_equal(ipc_receive(pair[0], &message), 1);
    assert_int_equal(message.kind, IPC_NOTE);
    assert_int_equal(message.value, LOG_ERROR);
    message.text[message.text_len] = '\0';
    assert_non_null(strstr(message.text, "the keys process cannot become another account"));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), PROCESS_UNCONFINED);
    close(pair[0]);
}

/* ---- channels ---- */

/* Answers each question with its text, twice. */
static bool echo_twice(void *context, int socket)
{
    struct ipc_message message;

    (void)context;
    int r = ipc_receive(socket, &message);
    if (r <= 0)
        return r == -EAGAIN;
    message.kind = IPC_ANSWER;
    r = ipc_send(socket, &message);
    if (r >= 0)
        r = ipc_send(socket, &message);
    ipc_finish(&message);
    return r >= 0;
}

static struct helper start_echo(void)
{
    static const struct process_service service = {.on_client = echo_twice};
    struct helper helper;
    int pair[2];

    assert_int_equal(fdpass_pair(pair), 0);
    helper.pid = process_fork("echo", &pair[1], 1);
    assert_true(helper.pid >= 0);
    if (helper.pid == 0)
        _exit(process_serve(&(struct process_start){.guardian = 3}, &service, NULL));
    close(pair[1]);
    helper.socket = pair[0];
    return helper;
}

struct heard {
    struct loop *loop;
    unsigned answers;
    uint64_t last;
    unsigned lost;
    unsigned connected;
};

static void on_message(void *context, struct ipc_message *message)
{
    struct heard *heard = context;

    assert_int_equal(message->kind, IPC_ANSWER);
    heard->last = message->value;
    if (++heard->answers % 2 == 0)
        loop_stop(heard->loop);
}

static void on_lost(void *context)
{
    struct heard *heard = context;

    heard->lost++;
    loop_stop(heard->loop);
}

static void on_connected(void *context, int fd)
{
    struct heard *heard = context;

    assert_true(fd >= 0);
    heard->connected++;
}

static void test_a_channel_outlives_its_process(void **state)
{
    static const struct channel_user user = {on_message, on_lost, on_connected};
    struct helper first = start_echo();
    struct heard heard = {.loop = NULL};
    struct ipc_message ask = {.kind = IPC_ASK, .value = 7, .text = "x", .text_len = 1};
    struct channel channel;

    (void)state;
    assert_int_equal(loop_create(&heard.loop), 0);
    channel_init(&channel, connect_client(&first));
    assert_int_equal(channel_use(&channel, heard.loop, &user, &heard), 0);
    assert_int_equal(channel_send(&channel, &ask), 0);
    assert_int_equal(loop_run(heard.loop), 0);
    assert_int_equal(heard.answers, 2);
    assert_int_equal(heard.last, 7);
    finish(&first);
    assert_int_equal(loop_run(heard.loop), 0);
    assert_int_equal(heard.lost, 1);
    assert_int_equal(channel_send(&channel, &ask), -ENOTCONN);

    struct helper second = start_echo();
    assert_int_equal(channel_replace(&channel, connect_client(&second)), 0);
    assert_int_equal(heard.connected, 1);
    ask.value = 8;
    assert_int_equal(channel_send(&channel, &ask), 0);
    assert_int_equal(loop_run(heard.loop), 0);
    assert_int_equal(heard.last, 8);
    /* Replaced while the old process still lives: what it owes is lost. */
    struct helper third = start_echo();
    assert_int_equal(channel_replace(&channel, connect_client(&third)), 0);
    assert_int_equal(heard.lost, 2);
    channel_finish(&channel);
    finish(&second);
    finish(&third);
    loop_destroy(heard.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_reach_the_file_of_their_stream),
        cmocka_unit_test(test_a_full_disk_is_told_once),
        cmocka_unit_test(test_keys_are_loaded_checked_and_used),
        cmocka_unit_test(test_keys_are_made_into_the_guardians_file),
        cmocka_unit_test(test_keys_answer_while_a_large_key_is_made),
        cmocka_unit_test(test_a_load_without_its_descriptors_is_refused),
        cmocka_unit_test(test_every_row_is_whole),
        cmocka_unit_test(test_a_process_that_cannot_be_confined_says_why),
        cmocka_unit_test(test_a_channel_outlives_its_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
