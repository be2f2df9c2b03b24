/* Which names a public certificate authority can certify. */
#include "cert/acme/names.h"

#include "base/mem.h"
#include "os/address.h"

static bool read_address(struct span name, struct socket_address *ret_address)
{
    scoped(mem_release) char *text = mem_string(name);

    return address_from_ip(text, 0, ret_address) == 0;
}

bool acme_name_is_address(struct span name)
{
    struct socket_address address;

    return read_address(name, &address);
}

bool acme_name_is_public(struct span name, const char **ret_why)
{
    static const struct span never[] = {
        SPAN(".localhost"), SPAN(".local"),    SPAN(".test"),        SPAN(".invalid"),
        SPAN(".example"),   SPAN(".internal"), SPAN(".home.arpa"),   SPAN(".onion"),
        SPAN(".alt"),       SPAN(".intranet"), SPAN(".lan"),         SPAN(".home"),
        SPAN(".corp"),      SPAN(".private"),  SPAN(".localdomain"),
    };
    struct socket_address address;
    const char *why = NULL;

    if (span_starts(name, SPAN("*.")))
        name = span_from(name, 2);
    if (read_address(name, &address)) {
        if (address_special(&address))
            why = "it is not an address of the public internet";
    } else if (span_find(name, '.') < 0) {
        why = "it is a single label, not a name of the public DNS";
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(never) && !why; i++)
            if (span_ends(name, never[i]) || span_equal(name, span_from(never[i], 1)))
                why = "its last label is reserved for private use";
    }
    if (why && ret_why)
        *ret_why = why;
    return !why;
}
