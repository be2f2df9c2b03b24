/* Error values. Functions return a count >= 0, -errno, or one of these (all below -1000). */
#pragma once

enum {
    ERR_LIMIT = -1001,     /**< a bound given at birth would be passed */
    ERR_SYNTAX = -1002,    /**< bytes that break their format's grammar */
    ERR_CLOSED = -1003,    /**< the peer ended the connection in good order */
    ERR_PROTOCOL = -1004,  /**< the peer broke the protocol's rules */
    ERR_TIMEOUT = -1005,   /**< a deadline passed */
    ERR_SETTINGS = -1006,  /**< the user's settings are wrong; a diag says where */
    ERR_TLS = -1007,       /**< the TLS library refused; see tls_last_error() */
    ERR_NOT_FOUND = -1008, /**< no such entry */
    ERR_CHANGED = -1009,   /**< a file changed while it was being read */
};

/** A few words for an error value of either kind; never NULL, never freed. */
const char *error_text(int error);
