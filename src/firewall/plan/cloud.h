/* The firewall of a cloud provider, which stands in front of the machine and which no program
 * inside can see or change: which provider it is, and what its own command line says to open ports.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "os/ports.h"

struct printer;
struct cloud_provider;

/** All zero: the machine is in no cloud that is known. */
struct cloud {
    const struct cloud_provider *provider;
    char instance[64]; /**< the machine's id, where its firmware tells it; "" otherwise */
};

/** Looks at what the firmware says of itself (DMI).
 *  @param root  in front of /sys, for tests; "" for this machine
 *  @return whether the provider is known */
bool cloud_detect(const char *root, struct cloud *ret_cloud);
/** "Amazon EC2". Not for an empty one; so the following. */
const char *cloud_name(const struct cloud *cloud);
/** What the provider lets in as long as nobody said anything, as a sentence. */
const char *cloud_default(const struct cloud *cloud);
/** The command lines, one a line, that open the ports for everybody over IPv4 and IPv6. Words in
 *  capitals stand for what cannot be known from inside; the first line finds them, where a command
 *  does. @return for free() */
char *cloud_commands(const struct cloud *cloud, const struct ports *ports);
/** A sentence, and the command lines beneath it. */
void cloud_print(const struct printer *printer, const struct cloud *cloud,
                 const struct ports *ports);
/** {name, default, instance?, commands: [...]}; a new reference. */
json_t *cloud_json(const struct cloud *cloud, const struct ports *ports);
