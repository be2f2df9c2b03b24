/* A table with a row of every type, for the tests and fuzzers of config. It is no feature's. */
#pragma once

#include "base/nsec.h"
#include "config/config.h"

struct rich_files {
    char *root;
    bool listing;
};

struct rich_certificate {
    char *file;
    char *key;
};

struct rich_site {
    struct config_strings names;
    struct rich_files *files;
    struct config_list certificate;
    struct config_pairs errors;
};

struct rich_listen {
    struct config_strings https;
    struct config_strings http;
};

struct rich {
    struct rich_listen listen;
    struct config_list sites;
    int64_t workers;
    int64_t size;
    nsec_t deadline;
    char *title;
    char *log;
    bool strict;
    int profile;
    struct config_strings paths;
    int64_t free_number;
};

static const char *rich_check_name(const char *name)
{
    return strchr(name, ' ') ? "is not a host name" : NULL;
}

static const char *const rich_profiles[] = {"intermediate", "modern", "off", NULL};

static const struct config_row rich_files_rows[] = {
    {.name = "root",
     .type = CONFIG_PATH,
     .offset = offsetof(struct rich_files, root),
     .required = true,
     .help = "the folder that is served",
     .example = "/srv/www"},
    {.name = "listing",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct rich_files, listing),
     .def = "off",
     .help = "whether folders without an index file are listed"},
    CONFIG_END,
};

static const struct config_row rich_certificate_rows[] = {
    {.name = "file", .type = CONFIG_PATH, .offset = offsetof(struct rich_certificate, file)},
    {.name = "key", .type = CONFIG_PATH, .offset = offsetof(struct rich_certificate, key)},
    CONFIG_END,
};

static const struct config_row rich_site_rows[] = {
    {.name = "names",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct rich_site, names),
     .min = 1,
     .max = 4,
     .required = true,
     .check = rich_check_name,
     .help = "host names; the first is the main one",
     .example = "[example.com]"},
    {.name = "files",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct rich_site, files),
     .rows = rich_files_rows,
     .size = sizeof(struct rich_files),
     .scalar = "root",
     .help = "files to serve"},
    {.name = "certificate",
     .type = CONFIG_LIST,
     .offset = offsetof(struct rich_site, certificate),
     .rows = rich_certificate_rows,
     .size = sizeof(struct rich_certificate),
     .scalar = "file",
     .max = 3,
     .help = "certificates of the site"},
    {.name = "errors",
     .type = CONFIG_PAIRS,
     .offset = offsetof(struct rich_site, errors),
     .help = "pages by status"},
    CONFIG_END,
};

static const struct config_row rich_listen_rows[] = {
    {.name = "https",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct rich_listen, https),
     .def = "[\":443\", \":8443\"]",
     .help = "addresses for HTTPS"},
    {.name = "http",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct rich_listen, http),
     .def = ":80",
     .help = "addresses for plain HTTP"},
    CONFIG_END,
};

static const struct config_row rich_rows[] = {
    {.name = "listen",
     .type = CONFIG_TABLE,
     .offset = offsetof(struct rich, listen),
     .rows = rich_listen_rows,
     .help = "where to listen"},
    {.name = "sites",
     .type = CONFIG_LIST,
     .offset = offsetof(struct rich, sites),
     .rows = rich_site_rows,
     .size = sizeof(struct rich_site),
     .help = "what to serve"},
    {.name = "workers",
     .type = CONFIG_INT,
     .offset = offsetof(struct rich, workers),
     .min = 1,
     .max = 1024,
     .def = "2",
     .help = "how many processes"},
    {.name = "size",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct rich, size),
     .min = 1024,
     .max = 1 << 20,
     .def = "32KiB",
     .help = "a size"},
    {.name = "deadline",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct rich, deadline),
     .max = 3600 * NSEC_PER_SEC,
     .def = "30s",
     .help = "a deadline"},
    {.name = "title",
     .type = CONFIG_STRING,
     .offset = offsetof(struct rich, title),
     .help = "a title"},
    {.name = "log",
     .type = CONFIG_PATH,
     .offset = offsetof(struct rich, log),
     .def = "/var/log/x",
     .help = "a path; .hidden\\-like things & `code` <b> *stars*"},
    {.name = "strict",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct rich, strict),
     .def = "on",
     .help = "a flag"},
    {.name = "profile",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct rich, profile),
     .def = "modern",
     .choices = rich_profiles,
     .help = "a choice"},
    {.name = "paths",
     .type = CONFIG_PATHS,
     .offset = offsetof(struct rich, paths),
     .help = "some paths"},
    {.name = "free_number", .type = CONFIG_INT, .offset = offsetof(struct rich, free_number)},
    CONFIG_END,
};
