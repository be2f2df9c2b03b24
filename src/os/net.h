/* The system's own headers for sockets and addresses, and its errors in the terms of errno. */
#pragma once

#ifdef _WIN32
#include <winsock2.h> /* before the others */

#include <errno.h>
#include <iphlpapi.h>
#include <ws2tcpip.h>

#undef interface        /* a macro of COM, and an ordinary word here */
#undef IF_NAMESIZE      /* by a constant that mingw-w64 does not have */
#define IF_NAMESIZE 257 /* bytes, with the NUL (NDIS_IF_MAX_STRING_SIZE) */
#ifndef TCP_MAXSEG
#define TCP_MAXSEG 4
#endif

typedef unsigned short sa_family_t;
#else
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#ifdef _WIN32
#define NET_CONNECTING EAGAIN /**< what connect() says that goes on in the background */
/** Once, before anything else with sockets or names. @return 0, or -errno */
int net_start(void);
/** The last error of this thread's socket calls, as an errno. */
int net_error(void);
/** What WSA* functions or SO_ERROR said, as an errno. */
int net_errno_of(int error);
#else
#define NET_CONNECTING EINPROGRESS
static inline int net_start(void)
{
    return 0;
}
static inline int net_error(void)
{
    return errno;
}
static inline int net_errno_of(int error)
{
    return error;
}
#endif
