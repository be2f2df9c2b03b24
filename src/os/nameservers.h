/* Which DNS servers this machine asks: nameservers_posix.c, nameservers_windows.c. */
#pragma once

#include "base/span.h"
#include "os/address.h"

enum {
    NAMESERVERS_MAX = 3,   /**< as resolv.conf(5) has it */
    NAMESERVERS_PORT = 53, /**< of DNS */
};

/** @return how many, in the order in which they are asked; at least one: where none is set it is
 *  this machine itself, as the C library has it */
size_t nameservers_read(struct socket_address servers[NAMESERVERS_MAX]);
/** Where a person looks at them and changes them. */
extern const char nameservers_place[];

/* ---- for nameservers_posix.c and its test ---- */

/** The text of a resolv.conf(5). @return as nameservers_read() */
size_t nameservers_parse(struct span text, struct socket_address servers[NAMESERVERS_MAX]);
