/* Looking an attribute up. What its value means is the callers'. */
#include "os/rtattr.h"

#include <linux/netlink.h>

const struct rtattr *rtattr_find(const void *bytes, size_t len, unsigned type)
{
    const char *at = bytes;

    while (len >= sizeof(struct rtattr)) {
        const struct rtattr *attribute = (const void *)at;
        if (attribute->rta_len < sizeof *attribute || attribute->rta_len > len)
            return NULL;
        if ((attribute->rta_type & NLA_TYPE_MASK) == type)
            return attribute;
        size_t step = RTA_ALIGN(attribute->rta_len);
        if (step >= len)
            return NULL;
        at += step;
        len -= step;
    }
    return NULL;
}
