/* The servers of /etc/resolv.conf, which macOS writes too. */
#include "os/nameservers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { FILE_MAX = 64 * 1024 };

static const char PATH[] = "/etc/resolv.conf";
const char nameservers_place[] = "/etc/resolv.conf";

static size_t add(struct socket_address servers[NAMESERVERS_MAX], size_t count, struct span text)
{
    struct span word = span_trim(text);
    size_t end = 0;

    while (end < word.len && word.ptr[end] != ' ' &&
           word.ptr[end] != '\t') /* comments may follow */
        end++;
    scoped(mem_release) char *ip = mem_string(span_of(word.ptr, end));
    return count +
           (count < NAMESERVERS_MAX && address_from_ip(ip, NAMESERVERS_PORT, &servers[count]) == 0);
}

size_t nameservers_parse(struct span text, struct socket_address servers[NAMESERVERS_MAX])
{
    struct span word = SPAN("nameserver"), line;
    size_t count = 0;

    while (span_next(&text, '\n', &line))
        if (span_starts(line, word) && line.len > word.len &&
            (line.ptr[word.len] == ' ' || line.ptr[word.len] == '\t'))
            count = add(servers, count, span_from(line, word.len));
    return count ? count : add(servers, 0, SPAN("127.0.0.1"));
}

size_t nameservers_read(struct socket_address servers[NAMESERVERS_MAX])
{
    scoped(mem_release) char *text = mem_alloc(FILE_MAX);
    FILE *file = fopen(PATH, "re");
    size_t len = file ? fread(text, 1, FILE_MAX, file) : 0;

    if (file)
        fclose(file);
    return nameservers_parse(span_of(text, len), servers);
}
