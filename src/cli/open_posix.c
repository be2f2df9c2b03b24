/* What opening has on macOS and its like. */
#include "cli/open_parts.h"

const struct option open_options[] = {
    OPEN_OPTION_FROM,      OPEN_OPTION_INTERFACE, OPEN_OPTION_ZONE, OPEN_OPTION_ON,
    OPEN_OPTION_PROFILE,   OPEN_OPTION_DRY_RUN,   OPEN_OPTION_YES,  OPEN_OPTION_CONFIRM,
    OPEN_OPTION_CONFIRMED, OPTION_STATE,          OPTION_JSON,      OPTION_END,
};

const struct option close_options[] = {
    CLOSE_OPTION_FORCE, CLOSE_OPTION_ON, OPEN_OPTION_DRY_RUN, OPEN_OPTION_YES,
    OPTION_STATE,       OPTION_JSON,     OPTION_END,
};

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
