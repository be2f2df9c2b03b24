/* The kernel's lists of sockets as bytes, the names of containers, and the search for who listens,
 * asked of the real kernel about sockets of this test. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "os/container.h"
#include "os/listeners.h"

/* ---- bytes of the kernel ---- */

struct answer {
    union {
        struct nlmsghdr align;
        char bytes[4096];
    } room;
    size_t len;
};

static void *put(struct answer *answer, uint16_t type, size_t payload)
{
    struct nlmsghdr *header = (void *)(answer->room.bytes + answer->len);

    memset(header, 0, NLMSG_SPACE(payload));
    header->nlmsg_len = (uint32_t)NLMSG_LENGTH(payload);
    header->nlmsg_type = type;
    answer->len += NLMSG_SPACE(payload);
    return NLMSG_DATA(header);
}

static struct inet_diag_msg *put_socket(struct answer *answer, int family, uint16_t port)
{
    struct inet_diag_msg *message = put(answer, SOCK_DIAG_BY_FAMILY, sizeof *message);

    message->idiag_family = (uint8_t)family;
    message->id.idiag_sport = htons(port);
    message->idiag_inode = 77;
    message->idiag_uid = 33;
    message->idiag_rqueue = 5;
    message->idiag_wqueue = 128;
    return message;
}

/* With the attribute that says whether [::] is for IPv6 alone. */
static void put_v6(struct answer *answer, uint8_t v6only)
{
    size_t payload = sizeof(struct inet_diag_msg) + RTA_SPACE(1);
    struct inet_diag_msg *message = put(answer, SOCK_DIAG_BY_FAMILY, payload);
    struct rtattr *attribute = (struct rtattr *)(message + 1);

    message->idiag_family = AF_INET6;
    message->id.idiag_sport = htons(443);
    attribute->rta_type = INET_DIAG_SKV6ONLY;
    attribute->rta_len = RTA_LENGTH(1);
    *(uint8_t *)RTA_DATA(attribute) = v6only;
}

static void test_sockets_of_one_answer(void **state)
{
    struct answer answer = {0};
    struct sockdiag_list list = {0};
    char text[80];

    (void)state;
    memcpy(put_socket(&answer, AF_INET, 443)->id.idiag_src, "\x0a\x63\x00\x01", 4);
    put_v6(&answer, 0);
    put_v6(&answer, 1);
    assert_int_equal(sockdiag_read(answer.room.bytes, answer.len, IPPROTO_TCP, &list), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(sockdiag_text(&list.items[0], text), "10.99.0.1:443");
    assert_int_equal(list.items[0].inode, 77);
    assert_int_equal(list.items[0].uid, 33);
    assert_int_equal(list.items[0].waiting, 5);
    assert_int_equal(list.items[0].waiting_most, 128);
    assert_string_equal(sockdiag_text(&list.items[1], text), "[::]:443");
    assert_true(sockdiag_takes(&list.items[1], AF_INET));
    assert_true(sockdiag_takes(&list.items[1], AF_INET6));
    assert_false(sockdiag_takes(&list.items[2], AF_INET));
    assert_true(sockdiag_takes(&list.items[2], AF_INET6));
    sockdiag_finish(&list);
}

static void test_the_end_of_an_answer(void **state)
{
    struct answer answer = {0};
    struct sockdiag_list list = {0};

    (void)state;
    put_socket(&answer, AF_INET, 443);
    put(&answer, NLMSG_DONE, 4);
    put_socket(&answer, AF_INET, 443);
    assert_int_equal(sockdiag_read(answer.room.bytes, answer.len, IPPROTO_UDP, &list), 1);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].waiting_most, 0); /* a UDP socket has no backlog */
    sockdiag_finish(&list);
}

static void test_answers_that_are_wrong(void **state)
{
    struct sockdiag_list list = {0};
    struct answer refused = {0}, odd = {0}, family = {0}, cut = {0};

    (void)state;
    *(int *)put(&refused, NLMSG_ERROR, sizeof(struct nlmsgerr)) = -ENOENT;
    assert_int_equal(sockdiag_read(refused.room.bytes, refused.len, IPPROTO_TCP, &list), -ENOENT);
    *(int *)put(&odd, NLMSG_ERROR, sizeof(struct nlmsgerr)) = 7;
    assert_int_equal(sockdiag_read(odd.room.bytes, odd.len, IPPROTO_TCP, &list), ERR_PROTOCOL);
    put_socket(&family, AF_UNIX, 443);
    assert_int_equal(sockdiag_read(family.room.bytes, family.len, IPPROTO_TCP, &list),
                     ERR_PROTOCOL);
    put_socket(&cut, AF_INET, 443);
    for (size_t len = 1; len < cut.len; len++)
        assert_int_equal(sockdiag_read(cut.room.bytes, len, IPPROTO_TCP, &list), ERR_PROTOCOL);
    cut.room.align.nlmsg_len = NLMSG_LENGTH(4); /* a message that ends within its struct */
    assert_int_equal(sockdiag_read(cut.room.bytes, NLMSG_SPACE(4), IPPROTO_TCP, &list),
                     ERR_PROTOCOL);
    assert_int_equal(list.count, 0);
    sockdiag_finish(&list);
}

static void test_a_list_has_a_bound(void **state)
{
    struct sockdiag_list list = {0};

    (void)state;
    for (int i = 0; i < SOCKDIAG_MAX + 3; i++) {
        struct answer answer = {0};
        put_socket(&answer, AF_INET, 443);
        assert_int_equal(sockdiag_read(answer.room.bytes, answer.len, IPPROTO_TCP, &list), 0);
    }
    assert_int_equal(list.count, SOCKDIAG_MAX);
    assert_int_equal(list.dropped, 3);
    sockdiag_finish(&list);
}

static struct sockdiag_socket at(int family, const char *address)
{
    struct sockdiag_socket found = {.protocol = IPPROTO_TCP, .family = family, .port = 443};

    assert_int_equal(inet_pton(family, address, found.address), 1);
    return found;
}

static void test_whom_an_address_meets(void **state)
{
    struct sockdiag_socket mapped = at(AF_INET6, "::ffff:127.0.0.1");
    struct sockdiag_socket one = at(AF_INET6, "::1"), four = at(AF_INET, "127.0.0.53");
    struct sockdiag_socket global = at(AF_INET6, "2001:db8::1"), any = at(AF_INET, "0.0.0.0");

    (void)state;
    assert_true(sockdiag_loopback(&mapped) && sockdiag_loopback(&one) && sockdiag_loopback(&four));
    assert_false(sockdiag_loopback(&global) || sockdiag_loopback(&any));
    assert_true(sockdiag_takes(&mapped, AF_INET) && !sockdiag_takes(&mapped, AF_INET6));
    assert_true(sockdiag_takes(&global, AF_INET6) && !sockdiag_takes(&global, AF_INET));
    assert_true(sockdiag_takes(&any, AF_INET) && !sockdiag_takes(&any, AF_INET6));
}

/* ---- containers ---- */

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_names_of_containers(void **state)
{
    static const struct {
        const char *groups, *name;
    } cases[] = {
        {"0::/system.slice/docker-" ID ".scope\n", "docker 0123456789ab"},
        {"0::/docker/" ID "\n", "docker 0123456789ab"},
        {"12:pids:/docker/" ID "\n0::/system.slice/containerd.service\n", "docker 0123456789ab"},
        {"0::/machine.slice/libpod-" ID ".scope\n", "podman 0123456789ab"},
        {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
         ".scope/container\n",
         "podman 0123456789ab"},
        {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12.slice/"
         "cri-containerd-" ID ".scope\n",
         "kubernetes 0123456789ab"},
        {"0::/kubepods.slice/kubepods-pod12.slice/crio-" ID ".scope\n", "kubernetes 0123456789ab"},
        {"4:memory:/kubepods/burstable/pod12-34/" ID "\n", "kubernetes 0123456789ab"},
        {"0::/lxc.payload.web/system.slice/nginx.service\n", "lxc web"},
        {"0::/lxc/web\n", "lxc web"},
        {"0::/machine.slice/systemd-nspawn@my\\x2dweb.service/payload\n", "nspawn my-web"},
        {"0::/machine.slice/machine-web.scope\n", "machine web"},
        /* A container within one is named by itself. */
        {"0::/lxc.payload.web/docker/" ID "\n", "docker 0123456789ab"},
    };
    char name[80];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_true(container_name(span_str(cases[i].groups), name));
        assert_string_equal(name, cases[i].name);
    }
}

static void test_what_is_no_container(void **state)
{
    static const char *const cases[] = {
        "",
        "\n",
        "0::/\n",
        "0::/system.slice/nginx.service\n",
        "0::/system.slice/docker.service\n",
        "0::/system.slice/docker-short.scope\n",
        "0::/machine.slice/libpod-conmon-" ID ".scope\n",
        "no colons",
        "0::/lxc.payload.\n",
        "0::/docker/\n",
    };
    char name[80];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_false(container_name(span_str(cases[i]), name));
        assert_string_equal(name, "");
    }
    assert_false(container_of_process(-1, name));
}

static void test_a_name_cannot_steer_a_terminal(void **state)
{
    char name[80];

    (void)state;
    assert_true(container_name(SPAN("0::/lxc/a\033[2Jb\n"), name));
    assert_string_equal(name, "lxc a?[2Jb");
    char longest[400] = "0::/lxc/";
    memset(longest + 8, 'x', 300);
    assert_true(container_name(span_str(longest), name));
    assert_int_equal(strlen(name), strlen("lxc ") + 48);
}

/* ---- the real kernel ---- */

static int listen_at(int type, const char *address, bool shared, uint16_t *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t len = sizeof to;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
    if (shared)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, len), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 7), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
    *port = ntohs(to.sin_port);
    return fd;
}

static void test_who_listens(void **state)
{
    struct listeners found;
    uint16_t port = 0, other = 1;

    (void)state;
    int tcp = listen_at(SOCK_STREAM, "127.0.0.1", false, &port);
    int udp = listen_at(SOCK_DGRAM, "127.0.0.1", false, &port);
    listeners_look((const uint16_t[]){other, port}, 2, LISTENERS_CONNECT, &found);
    assert_int_equal(found.tcp_error, 0);
    assert_int_equal(found.udp_error, 0);
    assert_int_equal(found.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(found.items[i].socket.port, port);
        assert_int_equal(found.items[i].holder_count, 1);
        assert_int_equal(found.items[i].holders[0].pid, getpid());
        assert_int_equal(found.items[i].holders[0].uid, geteuid());
        assert_string_equal(found.items[i].holders[0].program, "test_listeners");
        assert_non_null(strstr(found.items[i].holders[0].command, "test_listeners"));
    }
    assert_int_equal(found.items[0].socket.protocol, IPPROTO_TCP);
    assert_int_equal(found.items[0].socket.waiting_most, 7);
    assert_int_equal(found.items[0].connects, 1);
    assert_int_equal(found.items[1].socket.protocol, IPPROTO_UDP);
    listeners_finish(&found);
    close(tcp);
    close(udp);
    listeners_look(&port, 1, 0, &found);
    assert_int_equal(found.count, 0);
    listeners_finish(&found);
}

static void test_sockets_that_share_an_address_are_one_listener(void **state)
{
    struct listeners found;
    uint16_t port = 0;

    (void)state;
    int one = listen_at(SOCK_STREAM, "127.0.0.1", true, &port);
    int two = listen_at(SOCK_STREAM, "127.0.0.1", true, &port);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    listeners_look(&port, 1, 0, &found);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.items[0].sockets, 2);
    assert_int_equal(found.items[0].socket.waiting_most, 14);
    assert_int_equal(found.items[0].holder_count, 2);
    assert_int_equal(found.items[0].holders[0].pid, getpid());
    assert_int_equal(found.items[0].holders[1].pid, child);
    listeners_finish(&found);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(one);
    close(two);
}

static void test_a_connection_that_is_refused(void **state)
{
    uint16_t port = 0;
    struct sockdiag_socket gone = at(AF_INET, "127.0.0.1");

    (void)state;
    int fd = listen_at(SOCK_STREAM, "127.0.0.1", false, &port);
    close(fd);
    gone.port = port;
    assert_int_equal(sockdiag_connect(&gone, 300), 0);
    gone.protocol = IPPROTO_UDP;
    assert_int_equal(sockdiag_connect(&gone, 300), -EPROTONOSUPPORT);
    gone = at(AF_INET, "0.0.0.0");
    gone.interface = 1;
    assert_int_equal(sockdiag_connect(&gone, 300), -ENETUNREACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets_of_one_answer),
        cmocka_unit_test(test_the_end_of_an_answer),
        cmocka_unit_test(test_answers_that_are_wrong),
        cmocka_unit_test(test_a_list_has_a_bound),
        cmocka_unit_test(test_whom_an_address_meets),
        cmocka_unit_test(test_names_of_containers),
        cmocka_unit_test(test_what_is_no_container),
        cmocka_unit_test(test_a_name_cannot_steer_a_terminal),
        cmocka_unit_test(test_who_listens),
        cmocka_unit_test(test_sockets_that_share_an_address_are_one_listener),
        cmocka_unit_test(test_a_connection_that_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
