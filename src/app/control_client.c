/* Asking a running gardien: connect, one line, one answer. What may be asked is control.c's. */
#include "app/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"

struct sockaddr_un control_address(int folder, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder, name);
    return address;
}

static int connect_to(const char *state, nsec_t timeout)
{
    struct timeval tv = {.tv_sec = timeout / NSEC_PER_SEC};
    struct sockaddr_un address;

    int folder = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    address = control_address(folder, "control.sock");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : 0;
    if (r >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        r = -errno;
    if (r >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) < 0)
        r = -errno;
    close(folder);
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

static int read_answer(int fd, json_t **ret_answer)
{
    struct buffer bytes = buffer_make(16 << 20);
    int r = 0;

    for (ssize_t n = 1; r >= 0 && n > 0;) {
        r = buffer_reserve(&bytes, 4096);
        n = r < 0 ? 0 : recv(fd, bytes.data + bytes.len, 4096, 0);
        if (n < 0)
            r = errno == EAGAIN ? ERR_TIMEOUT : -errno;
        else
            bytes.len += (size_t)n;
    }
    if (r >= 0 && bytes.len == 0)
        r = ERR_CLOSED; /* it ended before it answered */
    json_t *json = r < 0 ? NULL : json_loadb(bytes.data, bytes.len, 0, NULL);
    buffer_finish(&bytes);
    if (r < 0)
        return r;
    if (!json_is_object(json)) {
        json_decref(json);
        return ERR_PROTOCOL;
    }
    *ret_answer = json;
    return 0;
}

int control_ask(const char *state, const json_t *request, nsec_t timeout, json_t **ret_answer)
{
    scoped(mem_release) char *text = json_dumps(request, JSON_COMPACT);
    scoped(mem_release) char *line = mem_format("%s\n", text);
    int fd = connect_to(state, timeout);

    if (fd < 0)
        return fd;
    int r = send(fd, line, strlen(line), MSG_NOSIGNAL) < 0 ? -errno : 0;
    if (r >= 0)
        r = read_answer(fd, ret_answer);
    close(fd);
    return r;
}
