/* What the verbs that serve share: options, and the way from the command line to settings. */
#pragma once

#include <jansson.h>

#include "cli/cli.h"

/** The first ones are about a settings file and a folder; from SERVE_OPTIONS_SITE on they are about
 *  every site. */
extern const struct option serve_options[];
enum { SERVE_OPTIONS_SITE = 3 };

/** A site with its names, and the certificate of the options. @param names  how many words, from
 *  `words` on, are its names; none: those of this machine */
json_t *serve_site(const struct arguments *arguments, const char *const *words, size_t names);
enum { SERVE_ADDRESS_TEXT = 46 };
/** Under `make run`, where people try the program: the address of this machine that other devices
 *  of its network reach it at. @return whether there is one */
bool serve_network_address(char ret_text[SERVE_ADDRESS_TEXT]);
/** Tells how a phone in the same network sees the site, if it does. */
void serve_tell_network(FILE *out, const struct arguments *arguments);
/** Whether the options for the certificate go together; says why not. */
bool serve_certificate_fits(const struct arguments *arguments);
/** Serves one site, whose reference is taken. @return an enum app_exit */
int serve_one_site(const struct arguments *arguments, json_t *site);
