/* A program without a TLS library. */
#include <stdlib.h>

#include "scan/service_tls.h"

int scan_tls_library_create(struct tls_client_library **ret_library)
{
    *ret_library = NULL;
    return 0;
}

void scan_tls_library_destroy(struct tls_client_library *library)
{
}

int scan_tls_create(struct tls_client_library *library, const char *server_name,
                    struct tls_client **ret_tls)
{
    return ERR_TLS;
}

void scan_tls_destroy(struct tls_client *tls)
{
}

int scan_tls_go_on(struct tls_client *tls, struct buffer *heard, struct scan_tls_room *room,
                   struct span *ret_out)
{
    abort(); /* nothing makes one */
}

void scan_tls_describe(const struct tls_client *tls, struct scan_service *service)
{
}
