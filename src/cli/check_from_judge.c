/* What an eye's answer means beside the view from inside: who keeps visitors out, whether a router
 * stands between, and why there is no answer. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/check_from.h"

bool from_view_seen(const struct from_view *view)
{
    return view->error == 0 && view->outcome.answer.error == EYE_NO_ERROR;
}

static void say(struct from_view *view, char *verdict, char *hint)
{
    view->well = false;
    view->verdict = verdict;
    view->hint = hint;
}

/* ---- no answer ---- */

static void judge_connecting(struct from_view *view, const char *eye)
{
    unsigned port = socket_address_port(&view->eye);

    if (view->error == -ECONNREFUSED)
        say(view, mem_format("no eye listens at %s", eye),
            mem_string(SPAN("run `gardien eye` on that machine, or name its port: "
                            "--from HOST:PORT")));
    else if (view->error == ERR_TIMEOUT || view->error == -ETIMEDOUT)
        say(view, mem_format("nothing answers at %s", eye),
            mem_format("see that the machine is up, runs `gardien eye`, and lets port %u/tcp in: "
                       "`gardien open %u` there",
                       port, port));
    else
        say(view, mem_format("the eye at %s cannot be reached: %s", eye, error_text(view->error)),
            mem_string(SPAN("see that this machine has a route there")));
}

static void judge_error(struct from_view *view, const char *eye)
{
    if (view->outcome.stage == EYE_CONNECTING)
        judge_connecting(view, eye);
    else if (view->error == ERR_NOT_FOUND)
        say(view,
            mem_format("the eye at %s does not prove that it knows this machine's key: the keys "
                       "differ, or somebody in between answers for it",
                       eye),
            mem_string(SPAN("copy the eye's key file to this machine anew, over a way that you "
                            "trust, and name it with --eye-key")));
    else if (view->outcome.stage == EYE_PROBING)
        say(view, mem_format("the eye at %s gave no answer: %s", eye, error_text(view->error)),
            mem_string(SPAN("its log says why; ask again")));
    else if (view->outcome.stage == EYE_HANDSHAKE && view->error != ERR_TLS)
        say(view,
            mem_format("the eye at %s ends the connection: it has too many from here, or is none",
                       eye),
            mem_string(SPAN("wait a minute and ask again; then see that `gardien eye` listens "
                            "there")));
    else
        say(view, mem_format("who answers at %s is no eye of gardien", eye),
            mem_string(SPAN("run `gardien eye` on that machine, or name its port: "
                            "--from HOST:PORT")));
}

static void judge_refusal(struct from_view *view, const char *eye)
{
    switch (view->outcome.answer.error) {
    case EYE_LIMITED:
        say(view, mem_format("the eye at %s has looked often enough for now", eye),
            mem_format("ask again in %u s", view->outcome.answer.wait));
        break;
    case EYE_ITSELF:
        say(view, mem_format("the eye at %s runs on this machine, so it sees nothing new", eye),
            mem_string(SPAN("run `gardien eye` on a machine elsewhere; a tunnel or proxy in front "
                            "of it has the same effect")));
        break;
    case EYE_FAILED:
        say(view, mem_format("the eye at %s could not look", eye),
            mem_string(SPAN("its log says why")));
        break;
    default:
        say(view, mem_format("the eye at %s refuses the request", eye),
            mem_string(SPAN("see that both machines run the same version of gardien")));
    }
}

/* ---- inside and outside ---- */

static bool behind_router(const struct from_view *view, char local[ADDRESS_TEXT])
{
    address_ip_text(&view->outcome.local, local);
    return view->outcome.local.len > 0 && strcmp(local, view->outcome.answer.source) != 0;
}

/* Where it goes wrong between this machine and the eye. */
static void judge_between(struct from_view *view, uint16_t port, const char *local, bool router)
{
    bool firewall = check_keeps_out(port, address_is_ipv6(&view->eye));
    struct finding *finding = findings_add(
        &view->joined, FINDING_BAD, "inside", "this machine answers on its own address, but %s",
        firewall ? "its firewall keeps the eye out"
        : router ? "what comes to the router does not reach it"
                 : "the eye gets no answer: a firewall here or in front of this "
                   "machine is between");

    finding_subject(finding, "%s", local);
    if (firewall)
        finding_hint(finding, "gardien open %u opens it; gardien why %u names the rule", port,
                     port);
    else if (router)
        finding_hint(finding,
                     "let the router send port %u/tcp on to %s: gardien open %u --router asks it "
                     "to, or do it in its settings",
                     port, local, port);
    else
        finding_hint(finding,
                     "gardien why %u names the rule when it is this machine's; when it names none, "
                     "open %u/tcp in the firewall of the hosting provider",
                     port, port);
}

static void judge_router(struct from_view *view, uint16_t port, const char *local)
{
    struct finding *finding = findings_add(
        &view->joined, FINDING_NOTE, "router",
        "the eye saw %s, which is not this machine's own address %s: a router stands between, and "
        "the eye looked at the router",
        view->outcome.answer.source, local);

    if (!view->outcome.answer.open)
        finding_hint(finding, "visitors need the router to send port %u/tcp on to %s", port, local);
}

static void compare(struct from_view *view, uint16_t port)
{
    char local[ADDRESS_TEXT] = "";
    bool router = behind_router(view, local), open = view->outcome.answer.open;

    if (router)
        judge_router(view, port, local);
    if (!view->has_inside)
        return;
    if (view->inside.open && !open)
        judge_between(view, port, local, router);
    else if (!view->inside.open && !open)
        finding_hint(findings_add(&view->joined, FINDING_NOTE, "inside",
                                  "it does not answer on this machine itself either: %s",
                                  view->inside.verdict),
                     "fix that first: gardien check :%u", port);
    else if (!view->inside.open)
        findings_add(&view->joined, FINDING_NOTE, "inside",
                     "this machine's own address %s does not answer, so another machine or address "
                     "answered the eye",
                     local);
    else
        findings_add(&view->joined, FINDING_GOOD, "inside",
                     "it answers on this machine's own "
                     "address %s too",
                     local);
}

void from_judge(struct from_view *view, uint16_t port, const char *asked)
{
    const struct eye_answer *answer = &view->outcome.answer;
    char eye[ADDRESS_TEXT];

    address_text(&view->eye, eye);
    if (view->error < 0) {
        judge_error(view, eye);
        return;
    }
    if (answer->error) {
        judge_refusal(view, eye);
        return;
    }
    if (asked && strcmp(asked, answer->source) != 0)
        findings_add(&view->joined, FINDING_WARNING, "eye",
                     "%s was not looked at: an eye looks only at the address that it is asked "
                     "from, which is %s",
                     asked, answer->source);
    compare(view, port);
    const struct finding *between = findings_first(&view->joined, FINDING_BAD);
    const char *hint = between ? between->hint : answer->hint;
    view->well = answer->open && findings_worst(&answer->findings) < FINDING_BAD && !between;
    view->verdict = between ? mem_format("%s; %s", answer->verdict, between->sentence)
                            : mem_string(span_str(answer->verdict));
    view->hint = hint ? mem_string(span_str(hint)) : NULL;
}
