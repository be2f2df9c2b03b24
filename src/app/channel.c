/* Sockets to lasting processes. */
#include "app/channel.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"

static void unwatch(struct channel *channel)
{
    if (channel->watched)
        loop_remove(channel->loop, &channel->watch);
    channel->watched = false;
}

static void on_event(struct loop_watch *watch, unsigned events)
{
    struct channel *channel = container_of(watch, struct channel, watch);
    struct ipc_message message;

    (void)events;
    int r = ipc_receive(watch->fd, &message);
    if (r == -EAGAIN)
        return;
    if (r > 0) {
        channel->user->on_message(channel->context, &message);
        ipc_finish(&message);
        return;
    }
    /* It ended, or was taken over and speaks nonsense. Another socket follows. */
    unwatch(channel);
    if (channel->user->on_lost)
        channel->user->on_lost(channel->context);
}

static int watch(struct channel *channel)
{
    if (channel->fd < 0 || !channel->user || !channel->user->on_message)
        return 0;
    channel->watch = (struct loop_watch){.fd = channel->fd, .on_event = on_event};
    int r = loop_add(channel->loop, &channel->watch, LOOP_LEVEL);
    channel->watched = r >= 0;
    return r;
}

void channel_init(struct channel *channel, int fd)
{
    *channel = (struct channel){.fd = fd};
}

int channel_use(struct channel *channel, struct loop *loop, const struct channel_user *user,
                void *context)
{
    unwatch(channel);
    channel->loop = loop;
    channel->user = user;
    channel->context = context;
    return watch(channel);
}

int channel_send(const struct channel *channel, const struct ipc_message *message)
{
    if (channel->fd < 0)
        return -ENOTCONN;
    int r = ipc_send(channel->fd, message);
    return r == -EPIPE || r == -ECONNRESET ? -ENOTCONN : r;
}

int channel_replace(struct channel *channel, int fd)
{
    int old = channel->fd;
    bool lost = channel->watched;

    unwatch(channel);
    if (lost && channel->user->on_lost)
        channel->user->on_lost(channel->context);
    channel->fd = fd;
    int r = watch(channel);
    if (channel->user && channel->user->on_connected)
        channel->user->on_connected(channel->context, fd);
    if (old >= 0)
        close(old);
    return r;
}

int channels_take(struct channel *channels, struct ipc_message *message)
{
    if (message->fd_count != 1 || message->value >= PROCESSES_LASTING)
        return ERR_PROTOCOL;
    int fd = message->fds[0];
    message->fds[0] = -1;
    return channel_replace(&channels[message->value], fd);
}

void channel_finish(struct channel *channel)
{
    unwatch(channel);
    if (channel->fd >= 0)
        close(channel->fd);
    channel->fd = -1;
}
