/* Which programs listen on a Mac, from what lsof and ps say: the application firewall lets
 * connections in to programs, not to ports. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/macos/pf.h"

enum { IDS_MAX = 64, IDS_TEXT = 1024 };

struct pf_program *pf_add_program(struct pf *pf, struct span path)
{
    for (size_t i = 0; i < pf->program_count; i++)
        if (span_equal(span_str(pf->programs[i].path), path))
            return &pf->programs[i];
    if (pf->program_count == PF_PROGRAMS_MAX)
        return NULL;
    pf->programs = mem_resize(pf->programs, pf->program_count + 1, sizeof *pf->programs);
    struct pf_program *program = &pf->programs[pf->program_count++];
    *program = (struct pf_program){.path = mem_string(path)};
    return program;
}

/* The program of a process: "  345 /usr/local/bin/nginx". @return empty when it is not there */
static struct span path_of(const char *ps, uint64_t wanted)
{
    struct span rest = span_str(ps), line, number;
    uint64_t id;

    while (ps && span_next(&rest, '\n', &line)) {
        line = span_trim(line);
        if (!span_next(&line, ' ', &number) || span_to_uint(number, &id) < 0 || id != wanted)
            continue;
        line = span_trim(line);
        if (line.len && line.ptr[0] == '/')
            return line;
    }
    return (struct span){0};
}

/* "*:443", "127.0.0.1:8080", "[::1]:443"; not the two ends of a connection. */
static bool read_port(struct span name, enum port_protocol protocol, struct port *ret_port)
{
    ptrdiff_t colon = span_find_last(name, ':');
    uint64_t number;

    if (colon < 0 || span_find(name, '>') >= 0 ||
        span_to_uint(span_from(name, (size_t)colon + 1), &number) < 0 || number < 1 ||
        number > UINT16_MAX)
        return false;
    *ret_port = (struct port){(uint16_t)number, protocol};
    return true;
}

char *pf_listener_ids(const char *lsof)
{
    struct span rest = span_str(lsof), line;
    struct buffer ids = buffer_make(IDS_TEXT);
    size_t count = 0;
    uint64_t id;
    int r = 0;

    while (lsof && r >= 0 && count < IDS_MAX && span_next(&rest, '\n', &line)) {
        if (!line.len || line.ptr[0] != 'p' || span_to_uint(span_from(line, 1), &id) < 0)
            continue;
        r = buffer_printf(&ids, "%s%llu", ids.len ? "," : "", (unsigned long long)id);
        count++;
    }
    char *text = ids.len && r >= 0 ? mem_string(buffer_span(&ids)) : NULL;
    buffer_finish(&ids);
    return text;
}

void pf_read_listeners(const char *lsof, const char *ps, struct pf *pf)
{
    struct span rest = span_str(lsof), line;
    enum port_protocol protocol = PORT_TCP;
    uint64_t id = 0;

    while (lsof && span_next(&rest, '\n', &line)) {
        struct span value = span_from(line, 1);
        struct port port;
        if (line.len && line.ptr[0] == 'p' && span_to_uint(value, &id) < 0)
            id = 0;
        if (line.len && line.ptr[0] == 'P')
            protocol = span_equal(value, SPAN("UDP")) ? PORT_UDP : PORT_TCP;
        if (!line.len || line.ptr[0] != 'n' || !read_port(value, protocol, &port))
            continue;
        struct span path = path_of(ps, id);
        struct pf_program *program = path.len ? pf_add_program(pf, path) : NULL;
        if (program && ports_add(&program->ports, port) < 0)
            continue; /* a program with more ports is let in as a whole anyway */
    }
}
