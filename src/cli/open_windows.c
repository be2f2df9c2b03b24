/* What opening has on Windows: an administrator changes the firewall, and no state has to be kept.
 */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "cli/open_parts.h"

const struct option open_options[] = {
    OPEN_OPTION_FROM,
    OPEN_OPTION_INTERFACE,
    OPEN_OPTION_ZONE,
    OPEN_OPTION_ON,
    OPEN_OPTION_PROFILE,
    OPEN_OPTION_DRY_RUN,
    OPEN_OPTION_YES,
    {"confirm", "TIME", false,
     "refused here; it is for machines that are reached through the ports"},
    OPTION_JSON,
    OPTION_END,
};

const struct option close_options[] = {
    CLOSE_OPTION_FORCE, CLOSE_OPTION_ON, OPEN_OPTION_DRY_RUN,
    OPEN_OPTION_YES,    OPTION_JSON,     OPTION_END,
};

bool change_begin(struct change *c, int *ret_code)
{
    (void)c;
    (void)ret_code;
    return true;
}

int change_check(struct change *c, struct diags *diags)
{
    if (!arguments_get(c->arguments, "confirm"))
        return 0;
    diag_hint(diags_add(diags, "--confirm is not there on Windows"),
              "opening only adds rules that allow, so nobody loses his connection; `gardien close` "
              "takes them back");
    return ERR_SYNTAX;
}

static void say_waiting(void)
{
    fputs("gardien: another gardien changes the firewall now; waiting for it\n", stderr);
}

int change_lock(const struct change *c, struct diags *diags)
{
    int lock = opening_lock(c->state, say_waiting);

    if (lock < 0)
        diag_hint(diags_add(diags, "no other gardien can be kept from changing the firewall: %s",
                            error_text(lock)),
                  "start the terminal as administrator");
    return lock;
}

int change_apply(struct change *c, struct diags *diags)
{
    int r = opening_apply(&c->planned.plan, c->opens, c->state, diags);

    c->applied = r >= 0;
    return r < 0 ? APP_FAILED : APP_OK;
}

int change_lacks_rights(const struct change *c)
{
    (void)c;
    print_error("start the terminal as administrator (a right click on its icon), and run it again",
                "only an administrator may change the firewall; nothing was changed");
    return APP_FAILED;
}

void change_note(struct change *c)
{
    (void)c; /* the planners of this system know all that there is to say */
}

int change_settle(struct change *c, struct diags *diags)
{
    (void)c;
    (void)diags;
    return APP_OK; /* home routers are asked on Linux */
}

void change_print_more(const struct change *c, const struct face *face)
{
    (void)c;
    (void)face;
}

void change_json_more(const struct change *c, json_t *answer)
{
    (void)c;
    (void)answer;
}
