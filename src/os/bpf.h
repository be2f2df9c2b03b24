/* Two small programs for the kernel's BPF machine: one makes it receive a frame that we wrote, as
 * if it had come in by an interface; the other watches why it lets go of it. What the frame is, and
 * what the answers mean, is the callers'. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "base/span.h"

/** Loads the program that hands frames to the stack. Nothing of it outlives the descriptor.
 *  @return a descriptor for close(); -EPERM without CAP_BPF and CAP_NET_ADMIN; -ENOSYS where the
 *  kernel has no BPF; -errno */
must_check int bpf_receiver_open(void);
/** Makes the kernel receive an Ethernet frame (14..1,500 bytes) on an interface of this network
 *  namespace, `copies` times (1..256). When it returns, the stack has usually dealt with them. A
 *  native XDP program there does not see them.
 *  @return 0; -EINVAL on kernels before 5.18; -ENODEV; -errno */
must_check int bpf_receive(int receiver, unsigned interface, struct span frame, unsigned copies);

/** Four bytes that a packet has at an offset from its network header, in network order. */
struct bpf_mark {
    uint16_t offset;
    unsigned char bytes[4];
};

/** A watch over packets that the kernel drops. */
struct bpf_drops {
    int map, program, link; /* -1: not open */
};

struct bpf_drop {
    char reason[64];   /**< as the kernel names it, without prefix: "IP_RPFILTER" */
    uint64_t location; /**< address of the code that dropped it */
};

/** Watches for packets that bear both marks.
 *  @return 0 with a watch to be closed; -EPERM without CAP_BPF and CAP_PERFMON or where the kernel
 * is locked down; -ENOENT where it does not describe its types (BTF); -EOPNOTSUPP where it gives no
 *  reasons (before 5.17); -errno */
must_check int bpf_drops_open(const struct bpf_mark marks[2], struct bpf_drops *ret_drops);
/** The newest packet that it saw dropped. @return 0, ERR_NOT_FOUND for none, or -errno */
must_check int bpf_drops_read(const struct bpf_drops *drops, struct bpf_drop *ret_drop);
void bpf_drops_close(struct bpf_drops *drops);
