/* For systems whose routes are not asked. */
#include <errno.h>

#include "os/route.h"

int route_look(const struct sockaddr *to, struct route *ret_route)
{
    return -EOPNOTSUPP;
}

enum route_neighbour route_neighbour(const struct sockaddr *address, unsigned interface_index)
{
    return ROUTE_NEIGHBOUR_UNKNOWN;
}
