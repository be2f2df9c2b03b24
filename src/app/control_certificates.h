/* Questions about certificates that come over the control socket, and what to do about them now. */
#pragma once

#include <jansson.h>

#include "app/control_server.h"

/** Whether a request's verb is about certificates. */
bool control_certificates_knows(const char *verb);
/** Answers a request:
 *  {"do": "certificates", "names": […]}: those of the sites that have one of the names, or of all;
 *  {"do": "certificate order" | "certificate try" | "certificate revoke", "names": […]}: begins at
 *  once, and answers as above; the end is seen by "rounds" of a later question. */
void control_certificates_ask(struct guardian *g, struct control_client *client,
                              const json_t *request);
/** For the status: how many sites have their certificates from where, and the first of those whose
 *  last order failed. @return a new reference */
json_t *control_certificates_summary(struct guardian *g);
