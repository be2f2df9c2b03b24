/* Finding a verb by what was typed. */
#include <string.h>

#include "cli/cli.h"
#include "config/config.h"

enum { VERBS_MAX = 32 };

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; verbs[i]; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

const char *verb_nearest(const char *word)
{
    const char *names[VERBS_MAX];
    size_t count = 0;

    for (; verbs[count] && count < VERBS_MAX; count++)
        names[count] = verbs[count]->name;
    return config_nearest(word, names, count);
}
