/* Questions about bans that come over the control socket, passed on to the process of bans. */
#pragma once

#include <jansson.h>

#include "app/control_server.h"

struct ipc_message;

/** Whether a request's verb is about bans. */
bool control_bans_knows(const char *verb);
/** Passes a request on; the answer follows. */
void control_bans_ask(struct guardian *g, struct control_client *client, const json_t *request);
/** gardien stops for good: the kernel's table is to go. */
void control_bans_stop(struct guardian *g);
/** The process of bans has answered. */
void control_bans_hear(struct guardian *g, const struct ipc_message *message);
/** The process of bans is gone: nothing that was asked will be answered. */
void control_bans_lost(struct guardian *g);
