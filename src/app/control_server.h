/* The control socket's server in the guardian. */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "base/diag.h"
#include "base/exit.h"
#include "base/list.h"
#include "os/loop.h"

struct guardian;

struct control_client {
    struct list link;
    struct loop_watch watch;
    struct guardian *guardian;
    struct buffer input;
    struct buffer output; /* the answer, as far as the client has not taken it */
    bool asked;           /* its request is whole */
    bool answered;
    nsec_t since;
    struct loop_timer deadline; /* for its request, and then for taking the answer */
    uint64_t reload_turn;       /* the reload that it waits for; 0: none */
    bool waits_for_upgrade;
    bool waits_for_stop;
    uint64_t waits_for_bans;  /* number of the question; 0: none */
    struct loop_timer status; /* when workers have had time to say what they do */
};

enum { CONTROL_CLIENTS_MAX = 64 };

/** Starts to listen at STATE/control.sock, in place of who did before. @return 0, or -errno */
must_check int control_listen(struct guardian *g, struct diags *diags);
void control_reload_done(struct guardian *g, enum app_exit code, const struct diags *diags);
void control_upgrade_done(struct guardian *g, bool fine, const char *text);
void control_stop_done(struct guardian *g);
/** Sends an answer, whose reference it takes, and hangs up when the client has taken it. */
void control_answer(struct control_client *client, json_t *object);
/** The same that something failed, as a sentence. */
void control_fail(struct control_client *client, const char *sentence);
/** @param remove  also removes the socket's name, unless another program has taken it */
void control_finish(struct guardian *g, bool remove);
