/* Rulesets from files, in the forms that nftables and iptables write. Text of nftables is
 * understood by nftables alone: a process of its own loads it into an empty network namespace that
 * ends with it, and lists it as JSON. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/nft.h"
#include "firewall/model/ruleset_internal.h"

enum {
    INTERFACES_MAX = 64, /* made in the namespace; rules that name more are refused by nftables */
    LOADER_SECONDS = 30,
};

/* Text is included as a file, for nftables names lines of files only. */
#define TEXT_FOLDER "/proc/self/fd/"

/* ---- bytes of a descriptor ---- */

static int read_fd(int fd, struct buffer *text)
{
    char part[65536];
    ssize_t got;

    while ((got = read(fd, part, sizeof part)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        int r = buffer_append(text, part, (size_t)got);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_all(int fd, struct span bytes)
{
    while (bytes.len) {
        ssize_t sent = write(fd, bytes.ptr, bytes.len);
        if (sent < 0 && errno != EINTR)
            return -errno;
        bytes = span_from(bytes, sent < 0 ? 0 : (size_t)sent);
    }
    return 0;
}

/* ---- the namespace ---- */

/* Asks for an interface of a kind. @return whether there is one of that name now */
static bool add_link(int netlink, struct span name, const char *kind)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
        struct nlattr name;
        char text[IF_NAMESIZE];
        struct nlattr link;
        struct nlattr kind;
        char word[8];
    } ask = {
        .header = {.nlmsg_len = sizeof ask,
                   .nlmsg_type = RTM_NEWLINK,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK},
        .name = {sizeof ask.name + sizeof ask.text, IFLA_IFNAME},
        .link = {sizeof ask.link + sizeof ask.kind + sizeof ask.word, IFLA_LINKINFO},
        .kind = {(unsigned short)(sizeof ask.kind + strlen(kind) + 1), IFLA_INFO_KIND},
    };
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char more[512];
    } answer;

    memcpy(ask.text, name.ptr, name.len);
    memcpy(ask.word, kind, strlen(kind));
    if (send(netlink, &ask, sizeof ask, 0) != sizeof ask ||
        recv(netlink, &answer, sizeof answer, 0) < (ssize_t)offsetof(__typeof__(answer), more))
        return false;
    return answer.header.nlmsg_type == NLMSG_ERROR &&
           (answer.error.error == 0 || answer.error.error == -EEXIST);
}

/* Makes an interface of that name, so that `iif` finds it. Kernels differ in the kinds that they
 * have; where none is, nftables will complain. */
static void make_interface(int netlink, struct span name)
{
    static const char *const kinds[] = {"dummy", "veth", "bridge"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (add_link(netlink, name, kinds[i]))
            return;
}

static bool names_interfaces(struct span line)
{
    static const char *const words[] = {"iif ", "oif ", "device", "iifname", "oifname"};
    scoped(mem_release) char *text = mem_string(line);

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strstr(text, words[i]))
            return true;
    return false;
}

/* Quoted words in lines that name interfaces. */
static void make_interfaces(struct span text)
{
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct span line, part;
    unsigned made = 0;

    while (netlink >= 0 && span_next(&text, '\n', &line)) {
        if (!names_interfaces(line))
            continue;
        for (bool quoted = false; span_next(&line, '"', &part); quoted = !quoted)
            if (quoted && part.len && part.len < IF_NAMESIZE && span_find(part, ' ') < 0 &&
                span_find(part, '*') < 0 && made++ < INTERFACES_MAX)
                make_interface(netlink, part);
    }
    if (netlink >= 0)
        close(netlink);
}

/* The loader process: prints JSON, or why not, to `out`. @return its exit code */
static int load(const char *text, int out)
{
    char *json = NULL, *why = NULL;

    alarm(LOADER_SECONDS);
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return 2;
    make_interfaces(span_str(text));
    int file = memfd_create("rules", 0);
    if (file < 0 || write_all(file, span_str(text)) < 0)
        return 2;
    scoped(mem_release) char *script = mem_format("include \"" TEXT_FOLDER "%d\"\n", file);
    int r = nft_run(script, NFT_PLAIN, NULL, &why);
    if (r == 0)
        r = nft_run("list ruleset", NFT_JSON, &json, &why);
    const char *said = r == 0 ? json : why;
    if (write_all(out, span_str(said ? said : "")) < 0)
        return 2;
    return r == 0 ? 0 : 1;
}

/* Runs the loader. @return its exit code, or -errno */
static int run_loader(const char *text, int out)
{
    int status;
    pid_t child = fork();

    if (child < 0)
        return -errno;
    if (child == 0)
        _exit(load(text, out));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

/* ---- text ---- */

static int parse_text(const char *text, struct ruleset **ret_ruleset, char **ret_why)
{
    struct buffer json = buffer_make(RULESET_TEXT_MAX);
    scoped(mem_release) char *free_for_us = ruleset_without_owners(span_str(text));
    scoped(mem_release) char *readable = ruleset_replace_extensions(span_str(free_for_us));
    int out = memfd_create("ruleset", MFD_CLOEXEC);
    int r = out < 0 ? -errno : run_loader(readable, out);
    int code = r;

    if (r >= 0 && r < 2)
        r = lseek(out, 0, SEEK_SET) < 0 ? -errno : read_fd(out, &json);
    if (out >= 0)
        close(out);
    if (r == 0 && code == 0)
        r = ruleset_parse(buffer_span(&json), ret_ruleset, ret_why);
    else if (r == 0)
        *ret_why = mem_string(buffer_span(&json)), r = ERR_SYNTAX;
    if (code == 2)
        r = -EPERM;
    if (r == 0) {
        ruleset_take_handles(*ret_ruleset, span_str(text));
        ruleset_take_devices(*ret_ruleset, span_str(text));
    }
    buffer_finish(&json);
    return r;
}

/* ---- files ---- */

static int read_path(const char *path, struct buffer *text, struct diags *diags)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : read_fd(fd, text);
    struct diag *diag;

    if (fd >= 0)
        close(fd);
    if (r == 0)
        return 0;
    diag = diags_add(diags, "the rules cannot be read: %s", error_text(r));
    diag_place(diag, path, 0, 0, NULL);
    if (r == ERR_LIMIT)
        diag_hint(diag, "a ruleset of at most %d MiB is read", RULESET_TEXT_MAX >> 20);
    else
        diag_hint(diag, "save the rules with: nft -j list ruleset > rules.json");
    return r;
}

static void complain_rights(struct diags *diags, const char *name)
{
    struct diag *diag =
        diags_add(diags, "rules as text are read by nftables in a network namespace "
                         "of their own, which this user may not make");

    diag_hint(diag, "save them as JSON, which anybody can read: nft -j list ruleset > rules.json; "
                    "or run this as root");
    diag_place(diag, name, 0, 0, NULL);
}

/* `why` is a sentence of the JSON reader, or nftables' words, which name a line:
 * "/proc/self/fd/3:7:9-14: Error: Interface does not exist". */
static void complain(struct diags *diags, const char *name, const char *why)
{
    const char *error = why ? strstr(why, "Error: ") : NULL;
    const char *place = why ? strstr(why, TEXT_FOLDER) : NULL;
    const char *number = error && place && place < error ? strchr(place, ':') : NULL;
    struct span sentence = span_str(error ? error + strlen("Error: ") : why);
    ptrdiff_t end = span_find(sentence, '\n');
    unsigned line = 0, column = 0;
    struct diag *diag;

    if (end >= 0)
        sentence.len = (size_t)end;
    diag = diags_add(diags, "these are no rules as nftables lists them%s%.*s",
                     sentence.len ? ": " : "", SPAN_ARGS(sentence));
    diag_hint(diag, "save the rules with: nft -j list ruleset > rules.json");
    if (number && sscanf(number, ":%9u:%9u", &line, &column) != 2)
        line = column = 0;
    diag_place(diag, name, line, column, NULL);
}

/* `nft -t` leaves out the elements of all sets, so that one with elements vouches for the others.
 */
static bool lacks_elements(const struct ruleset *ruleset)
{
    for (const struct ruleset_set *set = ruleset->sets; set; set = set->next)
        if (set->elements.count)
            return false;
    return ruleset->sets != NULL;
}

int ruleset_read_file(const char *path, struct ruleset **ret_ruleset, struct diags *diags)
{
    struct buffer bytes = buffer_make(RULESET_TEXT_MAX);
    scoped(mem_release) char *why = NULL;
    int r = read_path(path, &bytes, diags);

    if (r < 0) {
        buffer_finish(&bytes);
        return r;
    }
    struct span text = span_trim(buffer_span(&bytes));
    while (text.len && (*text.ptr == '\n' || *text.ptr == '\r'))
        text = span_trim(span_from(text, 1));
    if (text.len && *text.ptr == '{') {
        r = ruleset_parse(text, ret_ruleset, &why);
    } else {
        scoped(mem_release) char *copy = mem_string(text);
        r = strlen(copy) == text.len && text.len ? parse_text(copy, ret_ruleset, &why) : ERR_SYNTAX;
    }
    if (r == 0)
        (*ret_ruleset)->elements_unknown = lacks_elements(*ret_ruleset);
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    if (r == -EPERM)
        complain_rights(diags, name);
    else if (r < 0)
        complain(diags, name, why);
    buffer_finish(&bytes);
    return r;
}
