/* What lies above TCP. layers_https.c has TLS, the certificate and HTTP; layers_tcp.c, of a program
 * without the libraries for them, says so. */
#pragma once

#include "check/internal.h"

/** Makes what the probes need. @return 0, or a negative error */
must_check int layers_begin(struct check *check);
void layers_finish(struct check *check);
/** Starts what follows from how far an address has come; in each round of the loop. */
void layers_probe(struct check *check, struct endpoint *endpoint, nsec_t now);
/** Is nothing under way any more, but the probes of endpoints? */
bool layers_over(const struct check *check, nsec_t now);

void layers_judge(const struct check *check, struct check_result *result);
/** What the verdict is about: "https://example.com". @return for free() */
char *layers_site(const struct check *check);
/** What an address that is open does, or what several do: "answers", "answer". */
const char *layers_deed(bool one);
