/* What opening has on Linux alone: there is nothing to add on other systems. */
#include "cli/open_parts.h"

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

void change_print_more(const struct change *c, const struct printer *printer)
{
    (void)c;
    (void)printer;
}

void change_json_more(const struct change *c, json_t *answer)
{
    (void)c;
    (void)answer;
}
