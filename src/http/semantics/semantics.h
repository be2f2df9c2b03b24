/* What fields mean, whatever the version: dates, ranges, preconditions, negotiation (RFC 9110). */
#pragma once
