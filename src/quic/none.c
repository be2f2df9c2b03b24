/* A program without HTTP/3's libraries has no QUIC. */
#include "quic/quic.h"
