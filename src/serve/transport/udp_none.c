/* Without HTTP/3's libraries there are no UDP sockets: the settings refuse http3. */
#include <unistd.h>

#include "serve/transport/udp.h"

int udp_listen(struct server *server, const struct server_listener *wanted)
{
    (void)server;
    close(wanted->fd);
    return 0;
}

void udp_begin_apply(struct server *server)
{
    (void)server;
}

void udp_end_apply(struct server *server)
{
    (void)server;
}

void udp_round(struct server *server)
{
    (void)server;
}

void udp_drain(struct server *server)
{
    (void)server;
}

void udp_destroy(struct server *server)
{
    (void)server;
}

bool udp_relieve(struct server *server, int64_t fair)
{
    (void)server;
    (void)fair;
    return false;
}
