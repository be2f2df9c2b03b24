/* What distributions do with ports before anybody sets up a firewall: a table by os-release(5). */
#include <string.h>

#include "base/mem.h"
#include "firewall/plan/facts.h"
#include "firewall/status/status.h"

static const char none[] = "this system comes without a firewall: ports are open until one is set "
                           "up";
static const char zone[] = "this system comes with firewalld, whose zone lets in little more than "
                           "SSH: ports are closed until they are opened";

static const struct {
    const char *id, *sentence;
} systems[] = {
    {"debian", none},
    {"raspbian", none},
    {"ubuntu", "Ubuntu comes with ufw switched off: ports are open until `ufw enable`"},
    {"linuxmint", "Linux Mint comes with ufw switched off: ports are open until `ufw enable`"},
    {"amzn", none}, /* before "fedora", which it says that it is like */
    {"fedora", zone},
    {"rhel", zone},
    {"centos", zone},
    {"rocky", zone},
    {"almalinux", zone},
    {"ol", zone},
    {"opensuse", zone},
    {"opensuse-leap", zone},
    {"opensuse-tumbleweed", zone},
    {"suse", zone},
    {"sles", zone},
    {"arch", none},
    {"alpine", none},
    {"gentoo", none},
    {"void", none},
    {"nixos", "NixOS comes with its firewall on: ports are closed until "
              "networking.firewall.allowedTCPPorts names them"},
};

/* The value of a line NAME=value or NAME="value". */
static bool value_of(struct span text, struct span name, struct span *ret_value)
{
    struct span line;

    while (span_next(&text, '\n', &line)) {
        if (!span_starts(line, name))
            continue;
        line = span_trim(span_from(line, name.len));
        if (line.len >= 2 && (line.ptr[0] == '"' || line.ptr[0] == '\''))
            line = span_of(line.ptr + 1, line.len - 2);
        *ret_value = line;
        return true;
    }
    return false;
}

static const char *find(struct span id)
{
    for (size_t i = 0; i < ARRAY_SIZE(systems); i++)
        if (span_equal(id, span_str(systems[i].id)))
            return systems[i].sentence;
    return NULL;
}

const char *status_system_default(const char *root)
{
    struct firewall_facts facts = {.root = (char *)(uintptr_t)root};
    scoped(mem_release) char *text = firewall_facts_file(&facts, "/etc/os-release");
    struct span value, id;
    const char *sentence = NULL;

    if (text && value_of(span_str(text), SPAN("ID="), &value))
        sentence = find(value);
    if (!sentence && text && value_of(span_str(text), SPAN("ID_LIKE="), &value))
        while (!sentence && span_next(&value, ' ', &id))
            sentence = find(id);
    return sentence ? sentence : "what this system's firewall does by default is not known";
}
