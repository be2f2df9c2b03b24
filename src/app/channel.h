/* One's own end of a channel to a lasting process (process.h), as a worker has it to keys and logs.
 * It outlives the process: when that was replaced, the guardian sends a new socket, which takes the
 * old one's place. */
#pragma once

#include "app/ipc.h"
#include "app/process.h"
#include "os/loop.h"

struct channel_user {
    /** CHANNEL_EVENTS: a message of the process. Take a descriptor by setting it to -1. */
    void (*on_message)(void *context, struct ipc_message *message);
    /** CHANNEL_EVENTS: the process ended. What was asked is not answered; channel_send() fails
     * until on_connected. */
    void (*on_lost)(void *context);
    /** The process was started anew, or only now: `fd` is the socket from now on, for those who
     * read and write themselves. The old one is closed when this returns. */
    void (*on_connected)(void *context, int fd);
};

struct channel {
    int fd; /**< -1: the own row has no such link */
    const struct channel_user *user;
    void *context;
    struct loop *loop;
    struct loop_watch watch;
    bool watched;
};

/** Begins with the socket that the process was started with (process_start.others). */
void channel_init(struct channel *channel, int fd);
/** Says who uses it. With on_message the socket is watched on the loop.
 *  @return 0, or -errno */
must_check int channel_use(struct channel *channel, struct loop *loop,
                           const struct channel_user *user, void *context);
/** Sends one message without waiting; descriptors stay the caller's.
 *  @return 0; -EAGAIN when the process has too much to do; -ENOTCONN while it does not run; -errno
 */
must_check int channel_send(const struct channel *channel, const struct ipc_message *message);
/** IPC_CHANNEL arrived; takes over the descriptor. @return 0, or -errno */
must_check int channel_replace(struct channel *channel, int fd);
/** Takes what an IPC_CHANNEL message brings into `channels`, an array by enum process_id.
 *  @return 0, ERR_PROTOCOL, or -errno */
must_check int channels_take(struct channel *channels, struct ipc_message *message);
/** Before the loop is destroyed. */
void channel_finish(struct channel *channel);
