/* The wire form of messages: kind, length and value as 16 bytes in host order (both ends are this
 * program), then text. */
#include "app/ipc.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "os/fdpass.h"

struct wire_head {
    uint32_t kind;
    uint32_t text_len;
    uint64_t value;
};

enum { WIRE_MAX = sizeof(struct wire_head) + IPC_TEXT_MAX };

int ipc_send(int socket, const struct ipc_message *message)
{
    char bytes[WIRE_MAX];
    struct wire_head head = {message->kind, (uint32_t)message->text_len, message->value};

    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, message->text, message->text_len);
    return fdpass_send(socket, span_of(bytes, sizeof head + message->text_len), message->fds,
                       message->fd_count);
}

int ipc_say(int socket, enum ipc_kind kind, uint64_t value, struct span text)
{
    struct ipc_message message;

    message.kind = kind;
    message.value = value;
    message.text_len = text.len < IPC_TEXT_MAX ? text.len : IPC_TEXT_MAX;
    if (text.len)
        memcpy(message.text, text.ptr, message.text_len);
    message.fd_count = 0;
    return ipc_send(socket, &message);
}

int ipc_offer(int socket, enum ipc_kind kind, uint64_t value, struct span text)
{
    char bytes[WIRE_MAX];
    size_t len = text.len < IPC_TEXT_MAX ? text.len : IPC_TEXT_MAX;
    struct wire_head head = {kind, (uint32_t)len, value};

    memcpy(bytes, &head, sizeof head);
    if (len)
        memcpy(bytes + sizeof head, text.ptr, len);
    ssize_t n = send(socket, bytes, sizeof head + len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? -errno : 0;
}

int ipc_pass(int socket, enum ipc_kind kind, uint64_t value, int fd)
{
    struct ipc_message message;

    message.kind = kind;
    message.value = value;
    message.text_len = 0;
    message.fds[0] = fd;
    message.fd_count = 1;
    return ipc_send(socket, &message);
}

int ipc_decode(struct span bytes, struct ipc_message *ret_message)
{
    struct wire_head head;

    if (bytes.len < sizeof head)
        return ERR_PROTOCOL;
    memcpy(&head, bytes.ptr, sizeof head);
    if (head.kind == 0 || head.kind >= IPC_LAST || head.text_len > IPC_TEXT_MAX ||
        head.text_len != bytes.len - sizeof head)
        return ERR_PROTOCOL;
    ret_message->kind = head.kind;
    ret_message->value = head.value;
    ret_message->text_len = head.text_len;
    memcpy(ret_message->text, bytes.ptr + sizeof head, head.text_len);
    ret_message->fd_count = 0;
    return 0;
}

int ipc_receive(int socket, struct ipc_message *ret_message)
{
    char bytes[WIRE_MAX];
    int fds[IPC_FDS_MAX];
    struct fdpass_packet packet = {
        .bytes = bytes, .cap = sizeof bytes, .fds = fds, .fd_cap = IPC_FDS_MAX};

    int r = fdpass_receive(socket, &packet);
    if (r <= 0)
        return r == ERR_LIMIT ? ERR_PROTOCOL : r;
    r = ipc_decode(span_of(bytes, packet.len), ret_message);
    memcpy(ret_message->fds, fds, packet.fd_count * sizeof(int));
    ret_message->fd_count = packet.fd_count;
    if (r < 0) {
        ipc_finish(ret_message);
        return r;
    }
    return 1;
}

int ipc_memory(struct span bytes)
{
    int fd = memfd_create("gardien", MFD_CLOEXEC);

    for (size_t done = 0; fd >= 0 && done < bytes.len;) {
        ssize_t n = pwrite(fd, bytes.ptr + done, bytes.len - done, (off_t)done);
        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        int error = errno;
        close(fd);
        return -error;
    }
    return fd < 0 ? -errno : fd;
}

int ipc_memory_read(int fd, struct buffer *bytes)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    size_t size = st.st_size > 0 ? (size_t)st.st_size : 0;
    int r = buffer_reserve(bytes, size);
    while (r >= 0 && bytes->len < size) {
        ssize_t n = pread(fd, bytes->data + bytes->len, size - bytes->len, (off_t)bytes->len);
        if (n <= 0)
            return n < 0 ? -errno : ERR_CHANGED;
        bytes->len += (size_t)n;
    }
    return r;
}

void ipc_finish(struct ipc_message *message)
{
    for (size_t i = 0; i < message->fd_count; i++)
        if (message->fds[i] >= 0)
            close(message->fds[i]);
    message->fd_count = 0;
}
