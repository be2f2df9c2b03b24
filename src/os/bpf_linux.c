/* The bpf() system call and the instructions that we give it. There is no compiler and no library
 * behind them: the programs are a screen long. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "os/bpf.h"
#include "os/btf.h"

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1) /* linux 5.18 */
#endif

enum { BTF_MOST = 64 << 20 /* bytes; today's kernels have 6 MiB */ };

/* ---- instructions ---- */

#define INSN(c, d, s, o, i)                                                                        \
    ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOVE(d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOVE_IMM(d, i) INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, s) INSN(BPF_ALU64 | BPF_ADD | BPF_X, d, s, 0, 0)
#define ADD_IMM(d, i) INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LOAD(size, d, s, o) INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, o, s) INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define STORE_IMM(size, d, o, i) INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define CALL(f) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define UNLESS_ZERO(d, skip) INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, skip, 0)
#define EXIT INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int bpf(int command, union bpf_attr *attr)
{
    long r = syscall(SYS_bpf, command, attr, sizeof *attr);

    return r < 0 ? -errno : (int)r;
}

static int load(enum bpf_prog_type type, const struct bpf_insn *program, size_t count)
{
    union bpf_attr attr = {0};

    attr.prog_type = type;
    attr.insns = (uintptr_t)program;
    attr.insn_cnt = (uint32_t)count;
    attr.license = (uintptr_t) "GPL"; /* what reading kernel memory asks for */
    memcpy(attr.prog_name, "gardien_probe", sizeof "gardien_probe");
    return bpf(BPF_PROG_LOAD, &attr);
}

/* ---- receiving ---- */

int bpf_receiver_open(void)
{
    const struct bpf_insn program[] = {MOVE_IMM(BPF_REG_0, XDP_PASS), EXIT};

    return load(BPF_PROG_TYPE_XDP, program, ARRAY_SIZE(program));
}

int bpf_receive(int receiver, unsigned interface, struct span frame, unsigned copies)
{
    struct xdp_md context = {.data_end = (uint32_t)frame.len, .ingress_ifindex = interface};
    union bpf_attr attr;
    int r = 0;

    /* With repeat > 1 the kernel puts the program into its dispatcher and waits for all CPUs (20 ms
     * and more), for which many single runs have time. Source: linux/net/bpf/test_run.c */
    for (unsigned i = 0; i < copies && r >= 0; i++) {
        memset(&attr, 0, sizeof attr);
        attr.test.prog_fd = (uint32_t)receiver;
        attr.test.data_in = (uintptr_t)frame.ptr;
        attr.test.data_size_in = (uint32_t)frame.len;
        attr.test.ctx_in = (uintptr_t)&context;
        attr.test.ctx_size_in = sizeof context;
        attr.test.repeat = 1;
        attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
        r = bpf(BPF_PROG_TEST_RUN, &attr);
    }
    return r;
}

/* ---- watching drops ---- */

/* Where things lie in this kernel's struct sk_buff. */
struct layout {
    uint32_t head, network_header;
};

static int with_btf(int (*use)(const struct btf *btf, void *data), void *data)
{
    int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
    struct stat status;
    struct btf btf;
    int r;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0 || status.st_size <= 0 || status.st_size > BTF_MOST) {
        close(fd);
        return -ENOENT;
    }
    /* Kernels before 6.16 cannot map this file: it is read into memory of the same size. */
    size_t size = (size_t)status.st_size, got = 0;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    r = bytes == MAP_FAILED ? -errno : 0;
    while (r == 0 && got < size) {
        ssize_t n = read(fd, bytes + got, size - got);
        if (n <= 0)
            r = n < 0 ? -errno : ERR_SYNTAX;
        else
            got += (size_t)n;
    }
    close(fd);
    if (r == 0)
        r = btf_open(span_of(bytes, size), &btf);
    if (r == 0)
        r = use(&btf, data);
    if (bytes != MAP_FAILED)
        munmap(bytes, size);
    return r;
}

static int read_layout(const struct btf *btf, void *data)
{
    struct layout *layout = data;
    struct span name;
    int r = btf_offset(btf, "sk_buff", "head", &layout->head);

    if (r == 0)
        r = btf_offset(btf, "sk_buff", "network_header", &layout->network_header);
    if (r == 0 && btf_enum_name(btf, "skb_drop_reason", 2, &name) < 0)
        r = -EOPNOTSUPP;
    return r;
}

static uint32_t word_of(const unsigned char bytes[4])
{
    uint32_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Registers: 6 the packet, 7 its network header's address, 8 the reason, 9 where it was dropped. A
 * packet that cannot be read, or bears other bytes, leaves by the end. */
static int load_watch(const struct layout *layout, const struct bpf_mark marks[2], int map)
{
    enum { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 };
    enum { END = 41 };
#define SKIP_TO_END(at) ((int16_t)(END - (at)-1))
    const struct bpf_insn program[] = {
        [0] = LOAD(BPF_DW, R6, R1, 0),
        [1] = LOAD(BPF_DW, R9, R1, 8),
        [2] = LOAD(BPF_DW, R8, R1, 16),
        /* head */
        [3] = MOVE(R1, R10),
        [4] = ADD_IMM(R1, -8),
        [5] = MOVE_IMM(R2, 8),
        [6] = MOVE(R3, R6),
        [7] = ADD_IMM(R3, (int32_t)layout->head),
        [8] = CALL(BPF_FUNC_probe_read_kernel),
        [9] = UNLESS_ZERO(R0, SKIP_TO_END(9)),
        [10] = LOAD(BPF_DW, R7, R10, -8),
        /* + network_header */
        [11] = STORE_IMM(BPF_DW, R10, -8, 0),
        [12] = MOVE(R1, R10),
        [13] = ADD_IMM(R1, -8),
        [14] = MOVE_IMM(R2, 2),
        [15] = MOVE(R3, R6),
        [16] = ADD_IMM(R3, (int32_t)layout->network_header),
        [17] = CALL(BPF_FUNC_probe_read_kernel),
        [18] = LOAD(BPF_H, R1, R10, -8),
        [19] = ADD(R7, R1),
        /* the first mark */
        [20] = MOVE(R1, R10),
        [21] = ADD_IMM(R1, -8),
        [22] = MOVE_IMM(R2, 4),
        [23] = MOVE(R3, R7),
        [24] = ADD_IMM(R3, marks[0].offset),
        [25] = CALL(BPF_FUNC_probe_read_kernel),
        [26] = LOAD(BPF_W, R1, R10, -8),
        [27] = INSN(BPF_JMP32 | BPF_JNE | BPF_K, R1, 0, SKIP_TO_END(27),
                    (int32_t)word_of(marks[0].bytes)),
        /* the second */
        [28] = MOVE(R1, R10),
        [29] = ADD_IMM(R1, -8),
        [30] = MOVE_IMM(R2, 4),
        [31] = MOVE(R3, R7),
        [32] = ADD_IMM(R3, marks[1].offset),
        [33] = CALL(BPF_FUNC_probe_read_kernel),
        [34] = LOAD(BPF_W, R1, R10, -8),
        [35] = INSN(BPF_JMP32 | BPF_JNE | BPF_K, R1, 0, SKIP_TO_END(35),
                    (int32_t)word_of(marks[1].bytes)),
        /* map[0] = {location, reason} */
        [36] = INSN(BPF_LD | BPF_DW | BPF_IMM, R7, BPF_PSEUDO_MAP_VALUE, 0, map),
        [37] = INSN(0, 0, 0, 0, 0),
        [38] = ADD_IMM(R8, 1), /* 0 stands for nothing seen */
        [39] = STORE(BPF_DW, R7, 0, R9),
        [40] = STORE(BPF_DW, R7, 8, R8),
        [END] = MOVE_IMM(R0, 0),
        [END + 1] = EXIT,
    };
#undef SKIP_TO_END

    return load(BPF_PROG_TYPE_RAW_TRACEPOINT, program, ARRAY_SIZE(program));
}

static int make_map(void)
{
    union bpf_attr attr = {0};

    attr.map_type = BPF_MAP_TYPE_ARRAY;
    attr.key_size = 4;
    attr.value_size = 16;
    attr.max_entries = 1;
    return bpf(BPF_MAP_CREATE, &attr);
}

int bpf_drops_open(const struct bpf_mark marks[2], struct bpf_drops *ret_drops)
{
    struct bpf_drops drops = {-1, -1, -1};
    union bpf_attr attr = {0};
    struct layout layout;
    int r = with_btf(read_layout, &layout);

    if (r < 0)
        return r == ERR_NOT_FOUND ? -EOPNOTSUPP : r;
    r = drops.map = make_map();
    if (r >= 0)
        r = drops.program = load_watch(&layout, marks, drops.map);
    if (r >= 0) {
        attr.raw_tracepoint.name = (uintptr_t) "kfree_skb";
        attr.raw_tracepoint.prog_fd = (uint32_t)drops.program;
        r = drops.link = bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
    }
    if (r < 0) {
        bpf_drops_close(&drops);
        return r;
    }
    *ret_drops = drops;
    return 0;
}

struct naming {
    uint32_t value;
    char *name;
    size_t size;
};

static int name_reason(const struct btf *btf, void *data)
{
    static const char prefix[] = "SKB_DROP_REASON_";
    const struct naming *naming = data;
    struct span name;
    int r = btf_enum_name(btf, "skb_drop_reason", naming->value, &name);

    if (r < 0)
        return r;
    if (span_starts(name, SPAN("SKB_DROP_REASON_")))
        name = span_from(name, sizeof prefix - 1);
    snprintf(naming->name, naming->size, "%.*s", SPAN_ARGS(name));
    return 0;
}

int bpf_drops_read(const struct bpf_drops *drops, struct bpf_drop *ret_drop)
{
    struct {
        uint64_t location, reason;
    } value = {0};
    union bpf_attr attr = {0};
    uint32_t key = 0;

    attr.map_fd = (uint32_t)drops->map;
    attr.key = (uintptr_t)&key;
    attr.value = (uintptr_t)&value;
    int r = bpf(BPF_MAP_LOOKUP_ELEM, &attr);
    if (r < 0)
        return r;
    if (value.reason == 0)
        return ERR_NOT_FOUND;
    ret_drop->location = value.location;
    struct naming naming = {(uint32_t)(value.reason - 1), ret_drop->reason,
                            sizeof ret_drop->reason};
    if (with_btf(name_reason, &naming) < 0)
        snprintf(ret_drop->reason, sizeof ret_drop->reason, "%u", naming.value);
    return 0;
}

void bpf_drops_close(struct bpf_drops *drops)
{
    const int descriptors[] = {drops->link, drops->program, drops->map};

    for (size_t i = 0; i < ARRAY_SIZE(descriptors); i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    *drops = (struct bpf_drops){-1, -1, -1};
}
