/* Which of the ports that are open are `gardien serve`'s. */
#include <string.h>

#include "firewall/plan/journal.h"
#include "firewall/plan/open.h"

static void add_record(struct plan *plan, struct port port, bool owned)
{
    struct plan_step *step = plan_add(plan, OPENING_SERVE, "%s", OPENING_SERVE);

    step->record.what = owned ? PLAN_RECORD_OPENED : PLAN_RECORD_CLOSED;
    step->record.port = port;
}

int opening_own(const char *state, struct port port, bool owned, struct diags *diags)
{
    struct plan plan = {0};

    add_record(&plan, port, owned);
    int r = journal_record(state, &plan, false, diags);
    plan_finish(&plan);
    return r;
}

int opening_disown(const char *state, const struct ports *ports, struct diags *diags)
{
    struct ports owned = opening_owned(state);
    struct plan plan = {0};

    for (size_t i = 0; i < owned.count; i++)
        if (ports->count == 0 || ports_have(ports, owned.items[i]))
            add_record(&plan, owned.items[i], false);
    int r = journal_record(state, &plan, false, diags);
    plan_finish(&plan);
    return r;
}

struct ports opening_owned(const char *state)
{
    json_t *list = journal_load(state), *entry;
    struct ports owned = {.count = 0};
    size_t i;

    json_array_foreach(list, i, entry)
    {
        const char *manager = json_string_value(json_object_get(entry, "manager"));
        const char *text = json_string_value(json_object_get(entry, "port"));
        struct diags diags = {0};
        struct port port;
        bool known = manager && text && strcmp(manager, OPENING_SERVE) == 0 &&
                     port_parse(text, &diags, &port) >= 0;
        diags_finish(&diags);
        if (known && ports_add(&owned, port) < 0)
            break;
    }
    json_decref(list);
    return owned;
}
