/* QUIC version 1 on the server's side, without sockets: datagrams in, datagrams out. */
#pragma once

#include "quic/connection.h"
#include "quic/endpoint.h"
