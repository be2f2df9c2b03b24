/* Keeping a packet's path together. How it is printed is in path_print.c. */
#include "firewall/model/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/net.h"

static printf_like(1, 0) char *format_text(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

void firewall_path_init(struct firewall_path *path, const struct firewall_probe *probe)
{
    *path = (struct firewall_path){.probe = *probe, .culprit = FIREWALL_NO_CULPRIT};
}

static void step_finish(struct firewall_step *step)
{
    free(step->family);
    free(step->table);
    free(step->chain);
    free(step->hook);
    free(step->text);
    free(step->origin);
    free(step->target);
    *step = (struct firewall_step){0};
}

struct firewall_step *firewall_path_step(struct firewall_path *path)
{
    if (path->count ==
        FIREWALL_STEPS_MAX) { /* the last place goes to the newest: it may be the culprit */
        path->dropped++;
        step_finish(&path->steps[FIREWALL_STEPS_MAX - 1]);
        return &path->steps[FIREWALL_STEPS_MAX - 1];
    }
    path->steps = mem_resize(path->steps, path->count + 1, sizeof *path->steps);
    path->steps[path->count] = (struct firewall_step){0};
    return &path->steps[path->count++];
}

void firewall_path_cut(struct firewall_path *path, size_t count)
{
    while (path->count > count)
        step_finish(&path->steps[--path->count]);
}

void firewall_path_blame(struct firewall_path *path)
{
    if (path->count)
        path->culprit = path->count - 1;
}

void firewall_path_reason(struct firewall_path *path, const char *sentence, ...)
{
    va_list args;

    free(path->reason);
    va_start(args, sentence);
    path->reason = format_text(sentence, args);
    va_end(args);
}

void firewall_path_hint(struct firewall_path *path, const char *command, ...)
{
    va_list args;

    free(path->hint);
    va_start(args, command);
    path->hint = format_text(command, args);
    va_end(args);
}

bool firewall_path_open(const struct firewall_path *path)
{
    return (path->verdict == FIREWALL_ACCEPTED || path->verdict == FIREWALL_FORWARDED) &&
           path->obstacle == FIREWALL_NO_OBSTACLE;
}

void firewall_path_finish(struct firewall_path *path)
{
    for (size_t i = 0; i < path->count; i++)
        step_finish(&path->steps[i]);
    free(path->steps);
    free(path->forwarded);
    free(path->reason);
    free(path->hint);
    findings_finish(&path->notes);
    firewall_path_init(path, &path->probe);
}

const char *firewall_address_text(int family, const unsigned char address[16],
                                  char text[FIREWALL_ADDRESS_TEXT])
{
    if (!inet_ntop(family, address, text, FIREWALL_ADDRESS_TEXT))
        text[0] = '\0'; /* no family of ours */
    return text;
}

void firewall_internet_address(int family, unsigned char ret_address[16])
{
    static const unsigned char four[16] = {1, 2, 3, 4}, six[16] = {0x26, 0x00, [15] = 1};

    memcpy(ret_address, family == AF_INET6 ? six : four, 16);
}

const char *firewall_verdict_name(enum firewall_verdict verdict)
{
    static const char *const names[] = {
        [FIREWALL_UNKNOWN] = "unknown",     [FIREWALL_ACCEPTED] = "accepted",
        [FIREWALL_FORWARDED] = "forwarded", [FIREWALL_DROPPED] = "dropped",
        [FIREWALL_REJECTED] = "rejected",
    };

    return names[verdict];
}

const char *firewall_action_name(enum firewall_action action)
{
    static const char *const names[] = {
        [FIREWALL_CONTINUE] = "continue", [FIREWALL_ACCEPT] = "accept", [FIREWALL_DROP] = "drop",
        [FIREWALL_REJECT] = "reject",     [FIREWALL_JUMP] = "jump",     [FIREWALL_GOTO] = "goto",
        [FIREWALL_RETURN] = "return",     [FIREWALL_QUEUE] = "queue",   [FIREWALL_NAT] = "nat",
        [FIREWALL_MAYBE] = "maybe",
    };

    return names[action];
}
