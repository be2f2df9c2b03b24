/* Listening sockets over reloads: kept where an address stays, shared out again when it changes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/endpoints.h"
#include "base/mem.h"

static void free_address(char text[32])
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t len = sizeof any;

    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    close(fd);
    snprintf(text, 32, "127.0.0.1:%u", (unsigned)ntohs(any.sin_port));
}

static struct settings *settings_for(const char *https, const char *http, const char *proxy)
{
    struct settings *settings = NULL;
    scoped(mem_release) char *text =
        mem_format("{\"listen\": {\"https\": \"%s\", \"http\": \"%s\", \"proxy_protocol\": "
                   "{\"on\": [%s%s%s], \"from\": \"10.0.0.1\"}}, \"sites\": [{\"names\": \"a\"}]}",
                   https, http, proxy ? "\"" : "", proxy ? proxy : "", proxy ? "\"" : "");

    assert_int_equal(settings_parse(span_str(text), &settings), 0);
    return settings;
}

static void open_fine(struct endpoints *old, const struct settings *settings, unsigned workers,
                      struct endpoints *ret_new)
{
    struct diags diags = {0};

    int r = endpoints_open(old, settings, workers, &diags, ret_new);
    if (r < 0)
        fail_msg("%s", diags.items[0].sentence);
}

static void test_sockets_stay_while_their_address_does(void **state)
{
    struct endpoints none = {NULL}, first, second;
    char a[32], b[32];

    (void)state;
    free_address(a);
    free_address(b);
    struct settings *both = settings_for(a, b, NULL), *one = settings_for(a, "off", NULL);
    open_fine(&none, both, 2, &first);
    assert_int_equal(first.count, 2);
    assert_int_equal(first.items[0].socket_count, 2);
    assert_true(first.items[0].secure && !first.items[1].secure);
    open_fine(&first, one, 3, &second);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.items[0].socket_count, 3);
    assert_ptr_equal(second.items[0].sockets[0], first.items[0].sockets[0]);
    int kept = first.items[0].sockets[0]->fd, dropped = first.items[1].sockets[0]->fd;
    endpoints_finish(&first);
    assert_true(fcntl(kept, F_GETFD) >= 0);
    assert_true(fcntl(dropped, F_GETFD) < 0);
    /* Fewer workers close no socket: connections may wait in it. */
    open_fine(&second, one, 1, &first);
    assert_int_equal(first.items[0].socket_count, 3);
    endpoints_finish(&first);
    endpoints_finish(&second);
    assert_true(fcntl(kept, F_GETFD) < 0);
    settings_destroy(both);
    settings_destroy(one);
}

static void test_a_change_of_meaning_gives_new_numbers(void **state)
{
    struct endpoints none = {NULL}, first, second;
    char a[32];

    (void)state;
    free_address(a);
    struct settings *plain = settings_for(a, "off", NULL), *proxied = settings_for(a, "off", a);
    open_fine(&none, plain, 1, &first);
    open_fine(&first, proxied, 1, &second);
    assert_true(second.items[0].proxy_protocol);
    assert_int_not_equal(second.items[0].sockets[0]->id, first.items[0].sockets[0]->id);
    endpoints_finish(&first);
    endpoints_finish(&second);
    settings_destroy(plain);
    settings_destroy(proxied);
}

static void test_an_address_may_widen_and_narrow(void **state)
{
    struct endpoints none = {NULL}, narrow, wide;
    char a[32];

    (void)state;
    free_address(a);
    struct settings *one = settings_for(a, "off", NULL);
    struct settings *all = settings_for(strchr(a, ':'), "off", NULL);
    open_fine(&none, one, 1, &narrow);
    open_fine(&narrow, all, 1, &wide);
    endpoints_finish(&narrow);
    open_fine(&wide, one, 1, &narrow);
    endpoints_finish(&wide);
    endpoints_finish(&narrow);
    settings_destroy(one);
    settings_destroy(all);
}

static void test_a_taken_port_names_its_program(void **state)
{
    struct endpoints none = {NULL}, first, second;
    struct diags diags = {0};
    char a[32], pid[32];

    (void)state;
    free_address(a);
    struct settings *settings = settings_for(a, "off", NULL);
    open_fine(&none, settings, 1, &first);
    assert_int_equal(endpoints_open(&none, settings, 1, &diags, &second), -EADDRINUSE);
    assert_int_equal(diags.errors, 1);
    snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
    assert_non_null(strstr(diags.items[0].hint, pid));
    assert_non_null(strstr(diags.items[0].hint, "test_endpoints"));
    diags_finish(&diags);
    endpoints_finish(&first);
    settings_destroy(settings);
}

static void test_sockets_are_handed_to_another_program(void **state)
{
    struct endpoints none = {NULL}, first, inherited, second;
    char a[32];

    (void)state;
    free_address(a);
    struct settings *settings = settings_for(a, "off", NULL);
    open_fine(&none, settings, 2, &first);
    json_t *json = endpoints_to_json(&first);
    assert_int_equal(endpoints_from_json(json, &inherited), 0);
    open_fine(&inherited, settings, 2, &second);
    assert_int_equal(second.items[0].socket_count, 2);
    assert_int_equal(second.items[0].sockets[1]->fd, first.items[0].sockets[1]->fd);
    json_decref(json);
    endpoints_finish(&inherited);
    endpoints_finish(&second); /* the descriptors are the same: closed once is enough */
    for (size_t i = 0; i < 2; i++)
        first.items[0].sockets[i]->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    endpoints_finish(&first);
    json = json_pack("[{s:s}]", "address", "nonsense");
    assert_true(endpoints_from_json(json, &inherited) < 0);
    json_decref(json);
    settings_destroy(settings);
}

/* Of the service manager: address -> a socket at descriptor `fd`. */
static void pass_socket(const char *host, uint16_t port, int fd)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool six = inet_pton(AF_INET6, host, &in6.sin6_addr) == 1;
    int one = 1, s = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

    assert_true(six || inet_pton(AF_INET, host, &in.sin_addr) == 1);
    if (six)
        assert_int_equal(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one), 0);
    assert_int_equal(setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one), 0);
    assert_int_equal(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    assert_int_equal(six ? bind(s, (struct sockaddr *)&in6, sizeof in6)
                         : bind(s, (struct sockaddr *)&in, sizeof in),
                     0);
    assert_int_equal(listen(s, 8), 0);
    if (s != fd) {
        assert_int_equal(dup2(s, fd), fd);
        close(s);
    }
}

/* In a child, whose descriptors from 3 on are the manager's: what comes of it, as an exit code. */
static int adopt(const char *const *hosts, int count, const char *https, int expected)
{
    struct endpoints passed = {NULL}, opened = {NULL};
    struct diags diags = {0};
    char address[32], text[48];

    free_address(address);
    const char *port = strrchr(address, ':') + 1;
    for (int i = 0; i < count; i++)
        pass_socket(hosts[i], (uint16_t)atoi(port), 3 + i);
    snprintf(text, sizeof text, "%s:%s", https, port);
    struct settings *settings = settings_for(text, "off", NULL);
    if (endpoints_adopt_activation(&passed, count, &diags) < 0)
        return 101;
    if (endpoints_open(&passed, settings, 3, &diags, &opened) < 0)
        return strstr(diags.items[0].sentence, "which no address of `listen` uses") ? 100 : 102;
    if (!opened.items[0].shared || (opened.items[0].only != NULL) != (expected < 0))
        return 103;
    return (int)opened.items[0].socket_count;
}

static void test_sockets_of_the_manager_cover_the_settings_or_are_refused(void **state)
{
    static const struct {
        const char *hosts[4];
        const char *https;
        int expected; /* sockets, 100 for refused; negative: of one family only */
    } cases[] = {
        {{"0.0.0.0"}, "", -1},
        {{"::"}, "", -1},
        {{"0.0.0.0", "::"}, "", 2},
        {{"::", "0.0.0.0"}, "", 2},
        {{"0.0.0.0", "0.0.0.0", "::"}, "", 3},
        {{"127.0.0.1"}, "127.0.0.1", 1},
        {{"127.0.0.1", "127.0.0.1"}, "127.0.0.1", 2},
        {{"127.0.0.1", "127.0.0.2"}, "127.0.0.1", 100},
        {{"0.0.0.0"}, "127.0.0.1", 100},
        {{"127.0.0.1"}, "", 100},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int count = 0, status;
        while (cases[i].hosts[count])
            count++;
        pid_t pid = fork();
        if (pid == 0)
            _exit(adopt(cases[i].hosts, count, cases[i].https, cases[i].expected));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WEXITSTATUS(status) != abs(cases[i].expected))
            fail_msg("case %zu: %d", i, WEXITSTATUS(status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets_of_the_manager_cover_the_settings_or_are_refused),
        cmocka_unit_test(test_sockets_stay_while_their_address_does),
        cmocka_unit_test(test_a_change_of_meaning_gives_new_numbers),
        cmocka_unit_test(test_an_address_may_widen_and_narrow),
        cmocka_unit_test(test_a_taken_port_names_its_program),
        cmocka_unit_test(test_sockets_are_handed_to_another_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
