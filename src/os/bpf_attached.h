/* BPF programs that sit at an interface and see packets before any firewall does. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct bpf_attached {
    uint32_t program; /**< its number, as `bpftool prog show id N` takes it */
    uint32_t link;    /**< of the link that holds it; 0: none */
    char name[16];    /**< as its author named it, foreign; "" when it may not be asked */
    bool native;      /**< XDP: at the driver, or in the hardware */
};

/** The first program of traffic control's express way in (tcx, since Linux 6.6).
 *  @return 1 with a program, 0 for none, or -errno */
must_check int bpf_attached_tcx(unsigned interface, struct bpf_attached *ret_attached);
/** The XDP program. @return 1 with a program, 0 for none, or -errno */
must_check int bpf_attached_xdp(unsigned interface, struct bpf_attached *ret_attached);
