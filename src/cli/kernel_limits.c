/* Reads /proc/sys. Numbers that are asked for are those that a flood of some ten thousand
 * connections a second takes to be carried. */
#include "cli/kernel_limits.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { BACKLOG_MIN = 1024, CONNTRACK_MIN = 65536, CONNTRACK_FULL = 80 /* per cent */ };

static int64_t read_number(const char *root, const char *path)
{
    scoped(mem_release) char *name = mem_format("%s/proc/sys/net/%s", root, path);
    FILE *file = fopen(name, "re");
    long long number;

    if (!file)
        return -1;
    int fields = fscanf(file, "%lld", &number);
    fclose(file);
    return fields == 1 && number >= 0 ? number : -1;
}

void kernel_limits_read(const char *root, struct kernel_limits *ret_limits)
{
    *ret_limits = (struct kernel_limits){
        .syn_cookies = read_number(root, "ipv4/tcp_syncookies"),
        .backlog = read_number(root, "core/somaxconn"),
        .conntrack_max = read_number(root, "netfilter/nf_conntrack_max"),
        .conntrack_count = read_number(root, "netfilter/nf_conntrack_count"),
    };
}

static void judge_conntrack(const struct kernel_limits *limits, struct findings *findings)
{
    int64_t max = limits->conntrack_max, count = limits->conntrack_count;
    struct finding *finding = NULL;

    if (max <= 0 || count < 0)
        return;
    if (count >= max / 100 * CONNTRACK_FULL)
        finding = findings_add(findings, FINDING_WARNING, "kernel",
                               "%lld of %lld connections are tracked: when that is full, new ones "
                               "are dropped",
                               (long long)count, (long long)max);
    else if (max < CONNTRACK_MIN)
        finding = findings_add(findings, FINDING_WARNING, "kernel",
                               "at most %lld connections are tracked: a flood fills that, and new "
                               "ones are dropped",
                               (long long)max);
    if (finding)
        finding_hint(finding, "sysctl -w net.netfilter.nf_conntrack_max=%lld",
                     (long long)(max < CONNTRACK_MIN ? 4 * CONNTRACK_MIN : 2 * max));
}

void kernel_limits_judge(const struct kernel_limits *limits, struct findings *findings)
{
    if (limits->syn_cookies == 0)
        finding_hint(findings_add(findings, FINDING_WARNING, "kernel",
                                  "SYN cookies are off: a flood of SYNs keeps clients out"),
                     "sysctl -w net.ipv4.tcp_syncookies=1");
    if (limits->backlog >= 0 && limits->backlog < BACKLOG_MIN)
        finding_hint(findings_add(findings, FINDING_WARNING, "kernel",
                                  "at most %lld connections of a socket may wait to be accepted",
                                  (long long)limits->backlog),
                     "sysctl -w net.core.somaxconn=4096, and restart gardien");
    judge_conntrack(limits, findings);
}
