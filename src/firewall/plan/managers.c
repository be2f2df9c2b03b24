/* Finding managers by name, and the tag that rules of ours carry. Which ones may be in force on
 * this system stands in managers_linux.c, managers_posix.c and managers_windows.c. */
#include <stdio.h>

#include "firewall/plan/manager.h"

/* Those of all systems, for plans for other machines. */
static const struct manager *const all[] = {
    &manager_firewalld,       &manager_ufw,     &manager_nftables, &manager_iptables_nft,
    &manager_iptables_legacy, &manager_windows, &manager_pf,
};

const struct manager *manager_find(const char *name)
{
    static const struct span linux_prefix = {"linux-", 6};

    if (span_starts(span_str(name), linux_prefix))
        name += linux_prefix.len;
    if (strcmp(name, "iptables") == 0)
        return &manager_iptables_nft;
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

bool managers_are_of(const char *system)
{
    for (size_t i = 0; managers[i]; i++)
        if (strcmp(managers[i]->system, system) == 0)
            return true;
    return false;
}

const char *manager_names(void)
{
    return "windows, macos, linux-nftables, linux-iptables, linux-iptables-legacy, linux-ufw, "
           "linux-firewalld";
}

const char *presence_name(enum presence presence)
{
    static const char *const names[] = {
        [PRESENCE_ABSENT] = "absent",
        [PRESENCE_IDLE] = "idle",
        [PRESENCE_IN_FORCE] = "in force",
        [PRESENCE_UNKNOWN] = "unknown",
    };

    return names[presence];
}

static const struct span tag_start = SPAN("gardien:");

const char *tag_text(struct port port, char out[TAG_TEXT])
{
    char text[PORT_TEXT];

    snprintf(out, TAG_TEXT, "gardien:%s", port_text(port, text));
    return out;
}

bool tag_parse(const char *comment, struct port *ret_port)
{
    struct diags diags = {0};
    bool ours = span_starts(span_str(comment), tag_start) &&
                port_parse(comment + tag_start.len, &diags, ret_port) >= 0;

    diags_finish(&diags);
    return ours;
}

bool leaves_files(const struct firewall_facts *facts, const struct firewall_request *request)
{
    return facts->files_of_others || request->live_only;
}
