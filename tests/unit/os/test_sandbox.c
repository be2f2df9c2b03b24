/* The sandbox: each step in a forked child, which must still be able to do its work and must fail
 * or die at anything else. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/openat2.h>

#if HAVE_BROTLI
#include <brotli/encode.h>
#endif
#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <zlib.h>
#if HAVE_ZSTD
#include <zstd.h>
#endif

#include "base/error.h"
#include "os/sandbox.h"

/* A child reports a failed expectation by its line number; exit codes end at 255, so on stderr. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(STDERR_FILENO, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition,       \
                    errno);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/** What a child works with, made before it is locked in. */
struct scene {
    char root[64];
    int root_fd;  /**< O_PATH of root/open, which holds "file" */
    int other_fd; /**< O_PATH of root/shut, likewise */
    int sockets[2];
    int listener;
    int log;
    EVP_PKEY *key;
    X509 *certificate;
    unsigned argument;
};

typedef void child_body(const struct scene *scene);

/** @return the wait status */
static int run(child_body *body, const struct scene *scene)
{
    int status = -1;

    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body(scene);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void must_pass(child_body *body, const struct scene *scene)
{
    int status = run(body, scene);

    if (WIFSIGNALED(status))
        print_error("killed by signal %d\n", WTERMSIG(status));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void make_file(const char *folder, const char *name, int *ret_folder_fd)
{
    char path[128];

    assert_int_equal(mkdir(folder, 0755), 0);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    *ret_folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(*ret_folder_fd >= 0);
}

static void make_credentials(struct scene *scene)
{
    X509_NAME *name = X509_NAME_new();

    scene->key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    scene->certificate = X509_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_subject_name(scene->certificate, name);
    X509_set_issuer_name(scene->certificate, name);
    X509_gmtime_adj(X509_getm_notBefore(scene->certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(scene->certificate), 3600);
    X509_set_pubkey(scene->certificate, scene->key);
    assert_true(X509_sign(scene->certificate, scene->key, EVP_sha256()) > 0);
    X509_NAME_free(name);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    char path[128];

    strcpy(scene->root, "/tmp/gardien-sandbox-XXXXXX");
    assert_non_null(mkdtemp(scene->root));
    assert_int_equal(chmod(scene->root, 0755), 0);
    snprintf(path, sizeof path, "%s/open", scene->root);
    make_file(path, "file", &scene->root_fd);
    snprintf(path, sizeof path, "%s/shut", scene->root);
    make_file(path, "file", &scene->other_fd);
    snprintf(path, sizeof path, "%s/log", scene->root);
    scene->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, scene->sockets), 0);
    scene->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(listen(scene->listener, 8), 0);
    make_credentials(scene);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"open/file", "shut/file", "log", "open", "shut", ""};
    struct scene *scene = *state;
    char path[128];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "%s/%s", scene->root, names[i]);
        assert_int_equal(remove(path), 0);
    }
    EVP_PKEY_free(scene->key);
    X509_free(scene->certificate);
    free(scene);
    return 0;
}

/* ---- users ---- */

static void become_nobody(const struct scene *scene)
{
    gid_t groups[8];

    EXPECT(sandbox_switch_user("nobody") == 0);
    struct passwd *entry = getpwnam("nobody");
    EXPECT(getuid() == entry->pw_uid && geteuid() == entry->pw_uid);
    EXPECT(getgid() == entry->pw_gid && getegid() == entry->pw_gid);
    EXPECT(getgroups(8, groups) == 0);
    EXPECT(setuid(0) < 0 && setgid(0) < 0);
    EXPECT(prctl(PR_CAPBSET_READ, 0, 0, 0, 0) == 0);
    EXPECT(sandbox_switch_user("nobody") == 0); /* already there */
    EXPECT(sandbox_switch_user("daemon") == -EPERM);
}

static void stay_without_capabilities(const struct scene *scene)
{
    EXPECT(sandbox_switch_user(NULL) == 0);
    EXPECT(chroot("/") < 0 && errno == EPERM);
}

static void refuse_users(const struct scene *scene)
{
    EXPECT(sandbox_switch_user("no-such-user-here") == ERR_NOT_FOUND);
    EXPECT(sandbox_switch_user("root") == -EINVAL);
}

static void test_sandbox_switches_user_for_good(void **state)
{
    if (geteuid() != 0)
        skip();
    must_pass(become_nobody, *state);
}

static void test_sandbox_drops_capabilities_without_a_user(void **state)
{
    must_pass(stay_without_capabilities, *state);
}

static void test_sandbox_refuses_unknown_users_and_root(void **state)
{
    must_pass(refuse_users, *state);
}

static void hide(const struct scene *scene)
{
    struct rlimit core;

    EXPECT(sandbox_hide_memory() == 0);
    EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    EXPECT(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
    EXPECT(sandbox_no_new_privs() == 0);
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void test_sandbox_hides_memory(void **state)
{
    if (sandbox_is_instrumented())
        skip();
    must_pass(hide, *state);
}

/* ---- Landlock ---- */

static bool refused(int r)
{
    return r < 0 && (errno == EACCES || errno == EPERM);
}

static int open_beneath(int folder, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};

    return (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
}

static void read_one_folder(const struct scene *scene)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int tcp = socket(AF_INET, SOCK_STREAM, 0), fd;
    long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1);
    char byte;

    EXPECT(sandbox_no_new_privs() == 0);
    EXPECT(sandbox_landlock(&scene->root_fd, 1) == 0);
    fd = open_beneath(scene->root_fd, "file");
    EXPECT(fd >= 0 && read(fd, &byte, 1) == 1 && byte == 'h');
    EXPECT(openat(scene->root_fd, ".", O_RDONLY | O_DIRECTORY) >= 0);
    EXPECT(refused(open_beneath(scene->other_fd, "file")));
    EXPECT(refused(openat(scene->root_fd, "file", O_WRONLY)));
    EXPECT(refused(openat(scene->root_fd, "new", O_WRONLY | O_CREAT, 0644)));
    EXPECT(refused(mkdirat(scene->root_fd, "new", 0755)));
    EXPECT(refused(unlinkat(scene->root_fd, "file", 0)));
    EXPECT(refused(open("/etc/passwd", O_RDONLY)));
    EXPECT(write(scene->log, "x", 1) == 1); /* open already */
    if (version >= 4)
        EXPECT(refused(bind(tcp, (struct sockaddr *)&any, sizeof any)));
    if (version >= 6)
        EXPECT(refused(kill(getppid(), 0)));
}

static void read_nothing(const struct scene *scene)
{
    EXPECT(sandbox_no_new_privs() == 0);
    EXPECT(sandbox_landlock(NULL, 0) == 0);
    EXPECT(refused(open_beneath(scene->root_fd, "file")));
    EXPECT(refused(open("/", O_RDONLY | O_DIRECTORY)));
}

static void read_one_folder_and_connect(const struct scene *scene)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1);
    socklen_t len = sizeof any;

    EXPECT(bind(server, (struct sockaddr *)&any, sizeof any) == 0 && listen(server, 1) == 0);
    EXPECT(getsockname(server, (struct sockaddr *)&any, &len) == 0);
    EXPECT(sandbox_no_new_privs() == 0);
    EXPECT(sandbox_landlock_client(&scene->root_fd, 1) == 0);
    EXPECT(connect(client, (struct sockaddr *)&any, sizeof any) == 0);
    EXPECT(open_beneath(scene->root_fd, "file") >= 0);
    EXPECT(refused(open_beneath(scene->other_fd, "file")));
    any.sin_port = 0;
    if (version >= 4)
        EXPECT(refused(bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&any, len)));
}

static void lack_descriptor(const struct scene *scene)
{
    int bad = -1;

    EXPECT(sandbox_no_new_privs() == 0);
    EXPECT(sandbox_landlock(&bad, 1) == -EBADF);
    EXPECT(open_beneath(scene->other_fd, "file") >= 0); /* nothing was restricted */
}

static void skip_without_landlock(void)
{
    if (sandbox_is_instrumented() || syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1) < 0)
        skip();
}

static void test_sandbox_landlock_reads_only_beneath_its_folders(void **state)
{
    skip_without_landlock();
    must_pass(read_one_folder, *state);
    must_pass(read_nothing, *state);
    must_pass(read_one_folder_and_connect, *state);
    must_pass(lack_descriptor, *state);
}

/* ---- seccomp: what must work ---- */

static void lock_in(const struct scene *scene, enum sandbox_role role)
{
    EXPECT(sandbox_no_new_privs() == 0);
    int r = sandbox_landlock(&scene->root_fd, role == SANDBOX_WORKER ? 1 : 0);
    EXPECT(r == 0 || r == -ENOSYS || r == -EOPNOTSUPP);
    EXPECT(sandbox_seccomp(role) == 0);
}

/** Memory of many sizes, time and chance: every role. */
static void use_memory_and_time(void)
{
    void *kept[64];
    struct timeval now;
    struct timespec pause = {.tv_nsec = 1000};
    unsigned char random[32];

    for (size_t size = 1; size < 64u << 20; size = size * 3 + 1) {
        for (size_t i = 0; i < ARRAY_SIZE(kept) && size * i < 64u << 20; i++) {
            kept[i] = malloc(size);
            EXPECT(kept[i]);
            memset(kept[i], 1, size);
            kept[i] = realloc(kept[i], size * 2);
            EXPECT(kept[i]);
            free(kept[i]);
        }
    }
    EXPECT(gettimeofday(&now, NULL) == 0 && time(NULL) > 0);
    EXPECT(clock_gettime(CLOCK_MONOTONIC_COARSE, &pause) == 0);
    pause = (struct timespec){.tv_nsec = 1000};
    EXPECT(nanosleep(&pause, NULL) == 0);
    EXPECT(getrandom(random, sizeof random, 0) == sizeof random);
    EXPECT(sysconf(_SC_PHYS_PAGES) > 0); /* qsort() asks for it */
    EXPECT(signal(SIGUSR1, SIG_IGN) != SIG_ERR && raise(SIGUSR1) == 0);
    EXPECT(!isatty(STDERR_FILENO));
}

static void use_messages(const struct scene *scene)
{
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};

    EXPECT(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, scene->sockets[1], &event) == 0);
    EXPECT(sendmsg(scene->sockets[0], &message, MSG_NOSIGNAL) == 1);
    EXPECT(epoll_wait(epoll, &event, 1, 1000) == 1);
    EXPECT(recvmsg(scene->sockets[1], &message, MSG_CMSG_CLOEXEC) == 1);
    EXPECT(fcntl(scene->sockets[0], F_GETFL) >= 0);
}

static void use_files(const struct scene *scene)
{
    struct statx details;
    struct stat st;
    off_t at = 0;
    char bytes[8];
    int fd = open_beneath(scene->root_fd, "file");

    EXPECT(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 5);
    EXPECT(statx(scene->root_fd, "file", 0, STATX_BASIC_STATS, &details) == 0);
    EXPECT(pread(fd, bytes, sizeof bytes, 0) == 5);
    EXPECT(sendfile(scene->sockets[0], fd, &at, 5) == 5);
    EXPECT(recv(scene->sockets[1], bytes, sizeof bytes, 0) == 5);
    int folder = openat(scene->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    EXPECT(folder >= 0 && syscall(SYS_getdents64, folder, (char[512]){0}, 512) > 0);
    EXPECT(sysconf(_SC_NPROCESSORS_ONLN) > 0);
    EXPECT(accept4(scene->listener, NULL, NULL, SOCK_NONBLOCK) < 0 && errno == EAGAIN);
}

static void advance(SSL *ssl)
{
    int r = SSL_do_handshake(ssl);
    EXPECT(r == 1 || SSL_get_error(ssl, r) == SSL_ERROR_WANT_READ);
}

/** All of TLS from scratch: contexts, random numbers, key exchange, signature, verification. */
static void use_tls(const struct scene *scene)
{
    SSL_CTX *server_context = SSL_CTX_new(TLS_server_method());
    SSL_CTX *client_context = SSL_CTX_new(TLS_client_method());
    BIO *server_bio, *client_bio;

    EXPECT(SSL_CTX_use_certificate(server_context, scene->certificate) == 1);
    EXPECT(SSL_CTX_use_PrivateKey(server_context, scene->key) == 1);
    SSL *server = SSL_new(server_context), *client = SSL_new(client_context);
    EXPECT(BIO_new_bio_pair(&server_bio, 65536, &client_bio, 65536) == 1);
    SSL_set_bio(server, server_bio, server_bio);
    SSL_set_bio(client, client_bio, client_bio);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int i = 0; i < 6; i++) {
        advance(client);
        advance(server);
    }
    EXPECT(SSL_is_init_finished(client) && SSL_is_init_finished(server));
    SSL_free(server);
    SSL_free(client);
    SSL_CTX_free(server_context);
    SSL_CTX_free(client_context);
}

/** Large enough that each allocates its whole window. */
static void use_compressors(void)
{
    enum { TEXT = 3 << 20, ROOM = TEXT + 65536 };
    uint8_t *text = malloc(TEXT), *packed = malloc(ROOM);
    uLongf zlib_length = ROOM;

    EXPECT(text && packed);
    for (size_t i = 0; i < TEXT; i++)
        text[i] = (uint8_t)(i * i >> 7);
    EXPECT(compress2(packed, &zlib_length, text, TEXT, 6) == Z_OK);
#if HAVE_ZSTD
    EXPECT(!ZSTD_isError(ZSTD_compress(packed, ROOM, text, TEXT, 3)));
#endif
#if HAVE_BROTLI
    size_t brotli_length = ROOM;
    EXPECT(BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, TEXT, text, &brotli_length, packed));
#endif
    free(text);
    free(packed);
}

static void sign_something(const struct scene *scene)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char signature[256];
    size_t length = sizeof signature;

    EXPECT(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, scene->key) == 1);
    EXPECT(EVP_DigestSign(context, signature, &length, (const unsigned char *)"abc", 3) == 1);
    EVP_MD_CTX_free(context);
}

static void work_as_worker(const struct scene *scene)
{
    lock_in(scene, SANDBOX_WORKER);
    use_memory_and_time();
    use_messages(scene);
    use_files(scene);
    use_tls(scene);
    use_compressors();
    exit(0); /* with everybody's exit handlers */
}

static void work_as_keys(const struct scene *scene)
{
    lock_in(scene, SANDBOX_KEYS);
    use_memory_and_time();
    use_messages(scene);
    sign_something(scene);
    exit(0);
}

static void work_as_logs(const struct scene *scene)
{
    struct stat st;

    lock_in(scene, SANDBOX_LOGS);
    use_memory_and_time();
    use_messages(scene);
    EXPECT(write(scene->log, "line\n", 5) == 5 && fdatasync(scene->log) == 0);
    EXPECT(fstat(scene->log, &st) == 0 && st.st_size >= 5);
    exit(0);
}

/* Looks a name up, and connects to our own listener in the way that OpenSSL's client does. */
static void work_as_client(const struct scene *scene)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct sockaddr_in to;
    socklen_t len = sizeof to;
    struct addrinfo *found;
    char port[8];
    int unused = 0;

    EXPECT(getsockname(scene->listener, (struct sockaddr *)&to, &len) == 0);
    snprintf(port, sizeof port, "%u", ntohs(to.sin_port));
    EXPECT(sandbox_no_new_privs() == 0 && sandbox_seccomp(scene->argument) == 0);
    use_memory_and_time();
    use_messages(scene);
    EXPECT(getaddrinfo("localhost", port, &hints, &found) == 0);
    freeaddrinfo(found);
    BIO *bio = BIO_new_connect("127.0.0.1");
    BIO_set_conn_port(bio, port);
    BIO_set_nbio(bio, 1);
    EXPECT(BIO_do_connect_retry(bio, 5, -1) == 1);
    EXPECT(BIO_get_fd(bio, &unused) >= 0);
    BIO_free_all(bio);
    exit(0);
}

static void test_sandbox_seccomp_lets_each_role_work(void **state)
{
    if (sandbox_is_instrumented())
        skip();
    must_pass(work_as_worker, *state);
    must_pass(work_as_keys, *state);
    must_pass(work_as_logs, *state);
    for (unsigned role = SANDBOX_CLIENT; role <= SANDBOX_CONNECTOR; role++) {
        ((struct scene *)*state)->argument = role;
        must_pass(work_as_client, *state);
    }
}

/* ---- seccomp: what must end the process ---- */

static void do_exec(const struct scene *scene)
{
    char *none[] = {NULL};
    execve("/bin/true", none, none);
}

static void do_fork(const struct scene *scene)
{
    if (fork() == 0)
        _exit(0);
}

static void do_socket(const struct scene *scene)
{
    socket(AF_INET, SOCK_STREAM, 0);
}

static void do_connect(const struct scene *scene)
{
    connect(scene->sockets[0], &(struct sockaddr){.sa_family = AF_UNIX}, 2);
}

static void do_fast_open(const struct scene *scene)
{
    const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};

    sendto(scene->sockets[0], "x", 1, MSG_FASTOPEN, (const struct sockaddr *)&to, sizeof to);
}

static void do_fast_open_message(const struct scene *scene)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct iovec part = {(char[]){"x"}, 1};

    sendmsg(scene->sockets[0],
            &(struct msghdr){
                .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1},
            MSG_FASTOPEN | MSG_NOSIGNAL);
}

static void do_fast_open_messages(const struct scene *scene)
{
    struct mmsghdr message = {.msg_len = 0};

    sendmmsg(scene->sockets[0], &message, 1, MSG_FASTOPEN);
}

static void do_ptrace(const struct scene *scene)
{
    ptrace(PTRACE_ATTACH, getppid(), 0, 0);
}

static void do_open_for_writing(const struct scene *scene)
{
    openat(scene->root_fd, "file", O_WRONLY);
}

static void do_create(const struct scene *scene)
{
    openat(scene->root_fd, "new", O_RDONLY | O_CREAT, 0644);
}

static void do_executable_memory(const struct scene *scene)
{
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_make_executable(const struct scene *scene)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void do_signal_others(const struct scene *scene)
{
    kill(getppid(), 0);
}

static void do_signal_others_thread(const struct scene *scene)
{
    syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static void do_read_others_memory(const struct scene *scene)
{
    syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static void do_unlink(const struct scene *scene)
{
    unlinkat(scene->root_fd, "file", 0);
}

static void do_set_limit(const struct scene *scene)
{
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){8, 8});
}

static void do_keyring(const struct scene *scene)
{
    syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static void do_uring(const struct scene *scene)
{
    syscall(SYS_io_uring_setup, 1, NULL);
}

static void do_open(const struct scene *scene)
{
    openat(scene->root_fd, "file", O_RDONLY);
}

static void do_openat2(const struct scene *scene)
{
    open_beneath(scene->root_fd, "file");
}

static void do_accept(const struct scene *scene)
{
    accept4(scene->listener, NULL, NULL, 0);
}

static void do_stat(const struct scene *scene)
{
    struct stat st;
    fstatat(scene->root_fd, "file", &st, 0);
}

static child_body *const crimes[] = {
    do_exec,
    do_fork,
    do_socket,
    do_connect,
    do_fast_open,
    do_fast_open_message,
    do_fast_open_messages,
    do_ptrace,
    do_open_for_writing,
    do_create,
    do_executable_memory,
    do_make_executable,
    do_signal_others,
    do_signal_others_thread,
    do_read_others_memory,
    do_unlink,
    do_set_limit,
    do_keyring,
    do_uring,
    /* only a worker may do these */
    do_open,
    do_openat2,
    do_accept,
    do_stat,
};
enum { WORKERS_RIGHTS = 4 };

/** scene->argument: the role, and 256 times the crime. */
static void lock_in_and_sin(const struct scene *scene)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    lock_in(scene, scene->argument & 255);
    crimes[scene->argument >> 8](scene);
}

static void test_sandbox_seccomp_ends_who_does_anything_else(void **state)
{
    struct scene *scene = *state;

    if (sandbox_is_instrumented())
        skip();
    for (unsigned role = SANDBOX_WORKER; role <= SANDBOX_LOGS; role++) {
        for (unsigned i = 0; i < ARRAY_SIZE(crimes); i++) {
            bool allowed = role == SANDBOX_WORKER && i >= ARRAY_SIZE(crimes) - WORKERS_RIGHTS;
            scene->argument = role | i << 8;
            int status = run(lock_in_and_sin, scene);
            bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
            if (killed == allowed)
                print_error("role %u, crime %u: status %#x\n", role, i, (unsigned)status);
            assert_true(killed != allowed);
        }
    }
}

/* A client is refused, not ended. */
static void sin_as_client(const struct scene *scene)
{
    char *none[] = {NULL}, path[128];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    snprintf(path, sizeof path, "%s/open/file", scene->root);
    EXPECT(sandbox_no_new_privs() == 0 && sandbox_seccomp(SANDBOX_CLIENT) == 0);
    EXPECT(open(path, O_RDONLY) >= 0);
    EXPECT(fork() < 0 && errno == EPERM);
    EXPECT(execve("/bin/true", none, none) < 0 && errno == EPERM);
    EXPECT(open(path, O_WRONLY) < 0 && errno == EPERM);
    EXPECT(unlink(path) < 0 && errno == EPERM);
    EXPECT(listen(fd, 1) < 0 && errno == EPERM);
    EXPECT(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0 && errno == EPERM);
    EXPECT(socket(AF_PACKET, SOCK_DGRAM, 0) < 0 && errno == EPERM);
    EXPECT(kill(getppid(), 0) < 0 && errno == EPERM);
    EXPECT(ptrace(PTRACE_ATTACH, getppid(), 0, 0) < 0 && errno == EPERM);
    EXPECT(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED &&
           errno == EPERM);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(page != MAP_FAILED);
    EXPECT(mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0 && errno == EPERM);
}

static void test_sandbox_seccomp_refuses_a_client_anything_else(void **state)
{
    if (sandbox_is_instrumented())
        skip();
    must_pass(sin_as_client, *state);
}

static void abort_inside(const struct scene *scene)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    lock_in(scene, SANDBOX_WORKER);
    abort();
}

static void test_sandbox_seccomp_lets_a_process_abort(void **state)
{
    if (sandbox_is_instrumented())
        skip();
    int status = run(abort_inside, *state);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_sandbox_says_when_it_is_skipped(void **state)
{
    if (!sandbox_is_instrumented())
        skip();
    assert_int_equal(sandbox_seccomp(SANDBOX_WORKER), SANDBOX_SKIPPED);
    assert_int_equal(sandbox_landlock(NULL, 0), SANDBOX_SKIPPED);
    assert_int_equal(sandbox_hide_memory(), SANDBOX_SKIPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sandbox_switches_user_for_good),
        cmocka_unit_test(test_sandbox_drops_capabilities_without_a_user),
        cmocka_unit_test(test_sandbox_refuses_unknown_users_and_root),
        cmocka_unit_test(test_sandbox_hides_memory),
        cmocka_unit_test(test_sandbox_landlock_reads_only_beneath_its_folders),
        cmocka_unit_test(test_sandbox_seccomp_lets_each_role_work),
        cmocka_unit_test(test_sandbox_seccomp_ends_who_does_anything_else),
        cmocka_unit_test(test_sandbox_seccomp_refuses_a_client_anything_else),
        cmocka_unit_test(test_sandbox_seccomp_lets_a_process_abort),
        cmocka_unit_test(test_sandbox_says_when_it_is_skipped),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
