/* Looking things up in what was kept. */
#include "firewall/plan/journal.h"

#include <string.h>

bool journal_is_of(const json_t *entry, const char *manager, const char *port)
{
    const char *of = json_string_value(json_object_get(entry, "manager"));
    const char *number = json_string_value(json_object_get(entry, "port"));

    return of && number && strcmp(of, manager) == 0 && strcmp(number, port) == 0;
}

bool journal_find(const json_t *list, const char *manager, struct port port,
                  const char **ret_detail)
{
    char text[PORT_TEXT];
    size_t i;
    json_t *entry;

    port_text(port, text);
    json_array_foreach(list, i, entry)
    {
        if (!journal_is_of(entry, manager, text))
            continue;
        if (ret_detail)
            *ret_detail = json_string_value(json_object_get(entry, "detail"));
        return true;
    }
    return false;
}
