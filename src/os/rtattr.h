/* Attributes as netlink's messages bear them: (length, type, value), each padded to four bytes. */
#pragma once

#include <linux/rtnetlink.h>
#include <stddef.h>

/** The first attribute of a type, flags of the type left out. The last one may lack its padding,
 *  which RTA_NEXT() would count below zero.
 *  @param bytes  aligned as struct rtattr is
 *  @return the attribute, which lies within the bytes as a whole, or NULL */
const struct rtattr *rtattr_find(const void *bytes, size_t len, unsigned type);
