/* At most NOTES_MAX lines a second and worker; the next line says how many were left out. */
#include "protect/notes.h"

enum { NOTES_MAX = 50, SHOWN_MAX = 120 };

static struct span cut(struct span text)
{
    return text.len > SHOWN_MAX ? span_of(text.ptr, SHOWN_MAX) : text;
}

static bool has_room(struct protect_notes *notes, nsec_t now)
{
    if (now - notes->second >= NSEC_PER_SEC) {
        notes->second = now;
        notes->written = 0;
    }
    if (notes->written == NOTES_MAX) {
        notes->dropped++;
        return false;
    }
    notes->written++;
    return true;
}

void protect_note(struct protect_notes *notes, const struct protect_question *question,
                  const char *policy, bool refused, const char *reason)
{
    const struct http_request *request = &question->exchange->request;
    char address[46], host[300], path[600], method[60];

    if (!has_room(notes, question->now))
        return;
    if (notes->dropped)
        log_event(notes->log, LOG_NOTICE, "lines about protection left out", "count=%llu",
                  (unsigned long long)notes->dropped);
    notes->dropped = 0;
    peer_address_text(question->address, address);
    log_event(notes->log, LOG_NOTICE, refused ? "request refused" : "request watched",
              "policy=%s client=%s request=%.*s method=%s host=%s path=%s reason=\"%s\"", policy,
              address, SPAN_ARGS(question->request_id),
              log_quoted(method, sizeof method, cut(request->method_text)),
              log_quoted(host, sizeof host, cut(request->host)),
              log_quoted(path, sizeof path, cut(request->path)), reason);
}
