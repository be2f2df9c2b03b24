/* Windows' socket errors in the terms of errno. */
#include <errno.h>

#include "base/macros.h"
#include "os/net.h"

int net_errno_of(int error)
{
    static const struct {
        int windows, posix;
    } pairs[] = {
        {WSAEWOULDBLOCK, EAGAIN},
        {WSAEINPROGRESS, EINPROGRESS},
        {WSAEALREADY, EINPROGRESS},
        {WSAECONNREFUSED, ECONNREFUSED},
        {WSAECONNRESET, ECONNRESET},
        {WSAECONNABORTED, ECONNABORTED},
        {WSAETIMEDOUT, ETIMEDOUT},
        {WSAENETUNREACH, ENETUNREACH},
        {WSAEHOSTUNREACH, EHOSTUNREACH},
        {WSAEACCES, EACCES},
        {WSAEADDRNOTAVAIL, EADDRNOTAVAIL},
        {WSAEADDRINUSE, EADDRINUSE},
        {WSAEAFNOSUPPORT, EAFNOSUPPORT},
        {WSAENOTCONN, ENOTCONN},
        {WSAEISCONN, EISCONN},
        {WSAEINVAL, EINVAL},
        {WSAEINTR, EINTR},
        {WSAENOTSOCK, ENOTSOCK},
        {WSAEMFILE, EMFILE},
        {WSAENOBUFS, ENOBUFS},
        {WSAEMSGSIZE, EMSGSIZE},
        {WSAESHUTDOWN, EPIPE},
        {WSAENETDOWN, ENETDOWN},
        {WSAEHOSTDOWN, EHOSTUNREACH},
        {WSAENETRESET, ECONNRESET},
        {WSAENOPROTOOPT, ENOPROTOOPT},
        {WSAEPROTONOSUPPORT, EPROTONOSUPPORT},
        {WSAEOPNOTSUPP, EOPNOTSUPP},
    };

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        if (pairs[i].windows == error)
            return pairs[i].posix;
    return EIO;
}

int net_start(void)
{
    WSADATA data;
    int error = WSAStartup(MAKEWORD(2, 2), &data);

    return error ? -net_errno_of(error) : 0;
}

int net_error(void)
{
    return net_errno_of(WSAGetLastError());
}
