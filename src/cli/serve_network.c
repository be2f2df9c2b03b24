/* `make run` seen from a phone: the address of this machine in its network, and what makes the
 * phone trust the certificate. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/serve.h"
#include "os/network.h"
#include "os/shell.h"
#include "os/state.h"

/* RFC 1918: what home and office networks have. Other addresses are reached from anywhere, which is
 * not what somebody who tries a program wants to be told to do. */
static bool is_private(const unsigned char *address)
{
    return address[0] == 10 || (address[0] == 172 && (address[1] & 0xf0) == 16) ||
           (address[0] == 192 && address[1] == 168);
}

bool serve_network_address(char ret_text[SERVE_ADDRESS_TEXT])
{
    struct network_place places[NETWORK_PLACES_MAX];
    int count = getenv("GARDIEN_MAKE_RUN") ? network_places(AF_INET, places) : 0;

    for (int i = 0; i < count; i++)
        if (is_private(places[i].address))
            return inet_ntop(AF_INET, places[i].address, ret_text, SERVE_ADDRESS_TEXT) != NULL;
    return false;
}

/* The port of an option that listens on all addresses, ":8443" or "8443", or NULL. */
static const char *open_port(const struct arguments *arguments, const char *option)
{
    const char *text = arguments_get(arguments, option);

    if (text && text[0] == ':')
        text++;
    return text && text[0] && strspn(text, "0123456789") == strlen(text) ? text : NULL;
}

void serve_tell_network(FILE *out, const struct arguments *arguments)
{
    char address[SERVE_ADDRESS_TEXT];
    const char *port = open_port(arguments, "https");
    const char *given = arguments_get(arguments, "state");

    if (!port || !serve_network_address(address))
        return;
    scoped(mem_release) char *state = given ? absolute_path(given) : state_default();
    scoped(mem_release) char *program = shell_program(false);
    print_escaped(out,
                  "phone: https://%s:%s from devices of this network. To be trusted there, bring "
                  "%s/local-ca/ca.pem (it has no private key) to the phone and install it as a CA "
                  "certificate; else go past the warning. No answer? %s why %s\n",
                  address, port, state ? state : "STATE", program, port);
}
