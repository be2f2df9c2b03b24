/* zIDSESSION, then for each stream zINSTREAM and chunks with their length before them, the last one
 * empty. Answers are "NUMBER: stream: OK", "… NAME FOUND" or "… ERROR", each ended by a NUL. */
#include "protect/clamd.h"

#include <arpa/inet.h>
#include <stdio.h>

enum step { STEP_HELLO, STEP_COMMAND, STEP_CHUNK, STEP_END, STEP_DONE };

enum { CHUNK_MAX = 1 << 16 };

static size_t put(char *out, struct span bytes)
{
    memcpy(out, bytes.ptr, bytes.len);
    return bytes.len;
}

/** A NUL ends commands. */
static size_t put_command(char *out, const char *command)
{
    return put(out, span_of(command, strlen(command) + 1));
}

static size_t put_chunk(struct clamd_session *session, char *out, size_t cap)
{
    struct span rest = span_from(session->streams[session->at], session->offset);
    uint32_t length;

    cap -= sizeof length;
    rest.len = rest.len < cap ? rest.len : cap;
    rest.len = rest.len < CHUNK_MAX ? rest.len : CHUNK_MAX;
    length = htonl((uint32_t)rest.len);
    memcpy(out, &length, sizeof length);
    session->offset += rest.len;
    if (rest.len)
        return sizeof length + put(out + sizeof length, rest);
    session->offset = 0; /* the empty chunk ends the stream */
    session->at++;
    session->step = session->at < session->count ? STEP_COMMAND : STEP_END;
    return sizeof length;
}

size_t clamd_produce(struct clamd_session *session, char *out, size_t cap)
{
    switch (session->step) {
    case STEP_HELLO:
        session->step = session->count ? STEP_COMMAND : STEP_END;
        return put_command(out, "zIDSESSION");
    case STEP_COMMAND:
        session->step = STEP_CHUNK;
        return put_command(out, "zINSTREAM");
    case STEP_CHUNK:
        return put_chunk(session, out, cap);
    case STEP_END:
        session->step = STEP_DONE;
        return put_command(out, "zEND");
    default:
        return 0;
    }
}

static void take_line(struct clamd_session *session, struct span line)
{
    ptrdiff_t at = span_find_span(line, SPAN(": "));

    session->answers++;
    if (span_ends(line, SPAN(": stream: OK")))
        return;
    if (!span_ends(line, SPAN(" FOUND")) || at < 0) {
        session->failed = true;
        return;
    }
    line.len -= 6;
    while ((at = span_find_span(line, SPAN(": "))) >= 0)
        line = span_from(line, (size_t)at + 2);
    snprintf(session->found, sizeof session->found, "%.*s",
             (int)(line.len < CLAMD_NAME_MAX ? line.len : CLAMD_NAME_MAX), line.ptr);
    if (!session->found[0])
        snprintf(session->found, sizeof session->found, "unnamed");
}

enum clamd_result clamd_hear(struct clamd_session *session, struct span bytes)
{
    for (size_t i = 0; i < bytes.len && !session->failed; i++) {
        if (bytes.ptr[i] == '\0') {
            take_line(session, span_of(session->line, session->line_len));
            session->line_len = 0;
        } else if (session->line_len == CLAMD_LINE_MAX) {
            session->failed = true;
        } else {
            session->line[session->line_len++] = bytes.ptr[i];
        }
    }
    if (session->found[0])
        return CLAMD_FOUND;
    if (session->failed)
        return CLAMD_FAILED;
    return session->answers >= session->count ? CLAMD_CLEAN : CLAMD_WAITING;
}
