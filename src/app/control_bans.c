/* Relays requests and answers; each has a number by which its client is found again. */
#include "app/control_bans.h"

#include <string.h>

#include "app/guardian_state.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"

enum { ANSWER_ROOM = 16 << 20 };

bool control_bans_knows(const char *verb)
{
    return strcmp(verb, "ban") == 0 || strcmp(verb, "unban") == 0 || strcmp(verb, "bans") == 0;
}

void control_bans_ask(struct guardian *g, struct control_client *client, const json_t *request)
{
    struct ipc_message message = {.kind = IPC_BANS, .value = ++g->bans_asked, .fd_count = 0};

    message.text_len = json_dumpb(request, message.text, sizeof message.text, JSON_COMPACT);
    if (message.text_len > sizeof message.text) {
        control_fail(client, "the request is too long");
        return;
    }
    int r = processes_order(&g->processes, PROCESS_BANS, &message);
    if (r < 0)
        control_fail(client, r == -ENOTCONN ? "there are no bans: the settings say protect: {bans: "
                                              "off}"
                                            : "the process of bans cannot be asked");
    else
        client->waits_for_bans = message.value;
}

void control_bans_stop(struct guardian *g)
{
    static const char text[] = "{\"do\":\"stop\"}";
    struct ipc_message message = {.kind = IPC_BANS, .text_len = sizeof text - 1, .fd_count = 0};

    memcpy(message.text, text, sizeof text);
    int r = processes_order(&g->processes, PROCESS_BANS, &message);
    (void)r; /* without the process there may be a table, whose bans end by themselves */
}

void control_bans_hear(struct guardian *g, const struct ipc_message *message)
{
    struct buffer text = buffer_make(ANSWER_ROOM);
    int r = message->fd_count ? ipc_memory_read(message->fds[0], &text) : ERR_PROTOCOL;
    json_t *object = r < 0 ? NULL : json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);

    buffer_finish(&text);
    list_for_each (client, spare, &g->clients, struct control_client, link) {
        if (!message->value || client->waits_for_bans != message->value)
            continue;
        if (json_is_object(object))
            control_answer(client, json_incref(object));
        else
            control_fail(client, "the process of bans answered what is no answer");
        break;
    }
    json_decref(object);
}

void control_bans_lost(struct guardian *g)
{
    list_for_each (client, spare, &g->clients, struct control_client, link)
        if (client->waits_for_bans)
            control_fail(client, "the process of bans ended before it answered; ask again");
}
