/* What the kernel can carry in front of a server: settings of sysctl(8) that let a flood keep
 * clients out. */
#pragma once

#include <stdint.h>

#include "report/finding.h"

/** -1: this kernel has none, or does not tell. */
struct kernel_limits {
    int64_t syn_cookies;     /**< net.ipv4.tcp_syncookies */
    int64_t backlog;         /**< net.core.somaxconn */
    int64_t conntrack_max;   /**< net.netfilter.nf_conntrack_max */
    int64_t conntrack_count; /**< connections that are tracked now */
};

/** @param root  "" or a folder that stands for "/" */
void kernel_limits_read(const char *root, struct kernel_limits *ret_limits);
/** Adds a warning, with the command, for each that is too small. */
void kernel_limits_judge(const struct kernel_limits *limits, struct findings *findings);
