/* Events become steps; texts come from nft, a chain at a time. */
#include "firewall/trace/explain.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/nsec.h"
#include "firewall/linux/nft.h"
#include "firewall/model/listing.h"

enum { CHAINS_MAX = 64 };

/* nft reads all elements of a table's sets for each of its chains. Where one took longer than this,
 * all the others come from one list that is printed without them. */
#define SLOW (40 * NSEC_PER_MSEC)

struct chain {
    struct prober_event of; /* names it */
    struct listing listing;
};

struct explain_chains {
    struct chain *items[CHAINS_MAX];
    size_t count;
    bool slow;     /* a chain took long */
    char *ruleset; /* all that nft prints, once it was slow */
};

struct explain_chains *explain_chains_create(void)
{
    return mem_new(struct explain_chains);
}

void explain_chains_destroy(struct explain_chains *chains)
{
    for (size_t i = 0; chains && i < chains->count; i++) {
        listing_finish(&chains->items[i]->listing);
        free(chains->items[i]);
    }
    if (chains)
        free(chains->ruleset);
    free(chains);
}

static const char *family_of(uint8_t family)
{
    switch (family) {
    case NFPROTO_INET:
        return "inet";
    case NFPROTO_IPV4:
        return "ip";
    case NFPROTO_IPV6:
        return "ip6";
    case NFPROTO_NETDEV:
        return "netdev";
    case NFPROTO_BRIDGE:
        return "bridge";
    default:
        return "inet";
    }
}

static int read_chain(struct explain_chains *chains, const struct prober_event *event,
                      struct listing *ret_listing)
{
    const char *family = family_of(event->family);
    nsec_t start = nsec_monotonic();
    int r;

    if (chains->slow && !chains->ruleset &&
        nft_run("list ruleset", NFT_TERSE, &chains->ruleset, NULL) < 0)
        chains->slow = false; /* the slow way, then */
    if (chains->ruleset) {
        listing_read(listing_find(span_str(chains->ruleset), family, event->table, event->chain),
                     ret_listing);
        return 0;
    }
    r = listing_of(family, event->table, event->chain, ret_listing);
    chains->slow = nsec_monotonic() - start > SLOW;
    return r;
}

static const struct listing *chain_of(struct explain_chains *chains,
                                      const struct prober_event *event)
{
    static const struct listing empty;

    for (size_t i = 0; i < chains->count; i++) {
        const struct prober_event *of = &chains->items[i]->of;
        if (of->family == event->family && strcmp(of->table, event->table) == 0 &&
            strcmp(of->chain, event->chain) == 0)
            return &chains->items[i]->listing;
    }
    if (chains->count == CHAINS_MAX)
        return &empty;
    struct chain *chain = chains->items[chains->count++] = mem_new(struct chain);
    chain->of = *event;
    if (read_chain(chains, event, &chain->listing) < 0)
        return &empty; /* the steps go without their rules' text */
    return &chain->listing;
}

/* "icmp port-unreachable" of a rule that rejects, "" for one that does not say how; NULL for one
 * that does not reject. Quoted text is passed over. @return for free() */
static char *rejects_with(const char *rule)
{
    bool quoted = false;

    for (const char *at = rule; at && *at; at++) {
        if (*at == '"')
            quoted = !quoted;
        if (quoted || (at > rule && at[-1] != ' '))
            continue;
        if (strncmp(at, "reject", 6) == 0 && (at[6] == ' ' || at[6] == '\0')) {
            if (strncmp(at + 6, " with ", 6) != 0)
                return mem_string(span_of("", 0));
            const char *comment = strstr(at, " comment \"");
            size_t len = comment ? (size_t)(comment - at) : strlen(at);
            return mem_string(span_trim(span_of(at + 12, len > 12 ? len - 12 : 0)));
        }
    }
    return rule && strstr(rule, "\"REJECT\"") ? mem_string(span_of("", 0)) : NULL;
}

static enum firewall_action action_of(int32_t verdict)
{
    switch (verdict) {
    case NFT_CONTINUE:
        return FIREWALL_CONTINUE;
    case NFT_JUMP:
        return FIREWALL_JUMP;
    case NFT_GOTO:
        return FIREWALL_GOTO;
    case NFT_RETURN:
        return FIREWALL_RETURN;
    default:
        break;
    }
    switch (verdict & NF_VERDICT_MASK) {
    case NF_DROP:
        return FIREWALL_DROP;
    case NF_ACCEPT:
        return FIREWALL_ACCEPT;
    case NF_QUEUE:
        return FIREWALL_QUEUE;
    default:
        return FIREWALL_MAYBE; /* stolen: a module deals with it further */
    }
}

static void add_step(struct explain_chains *chains, const struct prober_event *event,
                     struct firewall_path *path)
{
    struct firewall_step *step = firewall_path_step(path);
    const struct listing *listing = chain_of(chains, event);
    const char *text = listing_rule_text(listing, event->handle, NULL);

    step->layer = FIREWALL_NFTABLES;
    step->policy = event->kind == TRACE_POLICY;
    step->family = mem_string(span_str(family_of(event->family)));
    step->table = mem_string(span_str(event->table));
    step->chain = mem_string(span_str(event->chain));
    step->action = action_of(event->verdict);
    if (listing->hook) {
        step->hook = mem_string(span_str(listing->hook));
        step->priority = listing->priority;
    }
    if (step->policy)
        return;
    step->handle = event->handle;
    if (text)
        step->text = mem_string(span_str(text));
    if (*event->target)
        step->target = mem_string(span_str(event->target));
    char *how = step->action == FIREWALL_DROP ? rejects_with(text) : NULL;
    if (how) {
        step->action = FIREWALL_REJECT;
        if (*how)
            step->target = take(how);
    }
    free(how);
}

const char *explain_destination(const struct prober_trace *trace, int family, char text[64])
{
    char address[FIREWALL_ADDRESS_TEXT];

    firewall_address_text(family, trace->destination, address);
    snprintf(text, 64, family == AF_INET6 ? "[%s]:%u" : "%s:%u", address, (unsigned)trace->port);
    return text;
}

/* The server's address and port once they were changed. */
static void note_server(const struct prober_trace *trace, struct firewall_path *path)
{
    struct firewall_step *step = &path->steps[path->count - 1];
    const struct firewall_probe *probe = &path->probe;

    step->port = trace->port;
    if (memcmp(trace->destination, probe->destination, sizeof probe->destination) != 0)
        firewall_address_text(probe->family, trace->destination, step->address);
}

/* The rule that changed the destination is the last that accepted before the change was seen. */
static void mark_nat(const struct prober_trace *trace, struct firewall_path *path)
{
    char text[64];
    size_t at = path->count;

    for (size_t i = 0; i < trace->count && i < path->count; i++)
        if (trace->events[i].moved) {
            at = i;
            break;
        }
    explain_destination(trace, path->probe.family, text);
    path->forwarded = mem_string(span_str(text));
    while (at-- > 0) {
        struct firewall_step *step = &path->steps[at];
        if (step->action != FIREWALL_ACCEPT || step->policy)
            continue;
        step->action = FIREWALL_NAT;
        free(step->target);
        step->target = mem_string(span_str(text));
        return;
    }
}

static void blame_last(struct firewall_path *path)
{
    const struct firewall_step *step = &path->steps[path->count - 1];
    bool rejects = step->action == FIREWALL_REJECT;

    firewall_path_blame(path);
    path->verdict = rejects ? FIREWALL_REJECTED : FIREWALL_DROPPED;
    firewall_path_reason(path, "%s in chain %s of table %s %s %s it",
                         step->policy ? "the policy" : "a rule", step->chain, step->family,
                         step->table, rejects ? "rejects" : "drops");
}

/* The place of the culprit's rule in its chain. */
static size_t culprit_index(struct explain_chains *chains, const struct prober_event *last)
{
    size_t index = 0;

    (void)listing_rule_text(chain_of(chains, last), last->handle, &index);
    return index;
}

/* Does a program read a queue? @return 1, 0, or -EACCES when it may not be asked */
static int is_queue_read(unsigned queue)
{
    FILE *file = fopen("/proc/net/netfilter/nfnetlink_queue", "re");
    char line[128];
    unsigned number;
    int read = 0;

    if (!file)
        return errno == ENOENT ? 0 : -EACCES;
    while (!read && fgets(line, sizeof line, file)) /* "    5  31621     0 2 65531 ..." */
        read = sscanf(line, "%u", &number) == 1 && number == queue;
    fclose(file);
    return read;
}

static void explain_queue(struct firewall_path *path, unsigned queue)
{
    firewall_path_blame(path);
    if (is_queue_read(queue) != 0) {
        firewall_path_reason(path,
                             "a program that reads netfilter queue %u decides, which kept the "
                             "packet for longer than the probe waits",
                             queue);
        return;
    }
    path->verdict = FIREWALL_DROPPED;
    firewall_path_reason(path, "no program reads netfilter queue %u, so that the kernel drops it",
                         queue);
    firewall_path_hint(path,
                       "start the program that reads queue %u, or let the rule say \"queue flags "
                       "bypass\" (iptables: --queue-bypass)",
                       queue);
}

void explain_trace(struct explain_chains *chains, const struct prober_trace *trace,
                   struct firewall_path *path)
{
    bool moved = false;
    const struct prober_event *last = trace->count ? &trace->events[trace->count - 1] : NULL;

    path->witness = FIREWALL_BY_TRACE;
    /* Steps and events go side by side: the end of a called chain is a step only of the trace. */
    for (size_t i = 0; i < trace->count; i++) {
        moved = moved || trace->events[i].moved;
        add_step(chains, &trace->events[i], path);
        if (moved)
            note_server(trace, path);
    }
    if (trace->moved)
        mark_nat(trace, path);
    if (trace->place == PROBER_INPUT_END) {
        path->verdict = FIREWALL_ACCEPTED;
        firewall_path_reason(path, "the firewall lets it through");
    } else if (trace->place == PROBER_FORWARD_END) {
        path->verdict = FIREWALL_FORWARDED;
        firewall_path_reason(path, "the firewall forwards it to %s",
                             path->forwarded ? path->forwarded : "another host");
    } else if (last && last->verdict == NF_DROP) {
        blame_last(path);
        explain_manager(path, culprit_index(chains, last));
    } else if (last && (last->verdict & NF_VERDICT_MASK) == NF_QUEUE && last->verdict > 0) {
        explain_queue(path, (unsigned)last->verdict >> NF_VERDICT_QBITS);
    }
}
