/* Kinds of file systems, by the numbers that statfs() tells. */
#include "os/filesystem.h"

#include <stddef.h>
#include <sys/vfs.h>

#include "base/macros.h"

bool filesystem_kind_may_hang(unsigned long kind)
{
    static const unsigned long kinds[] = {
        0x6969,     /* NFS */
        0x517b,     /* SMB */
        0xff534d42, /* CIFS */
        0xfe534d42, /* SMB 2 */
        0x65735546, /* FUSE */
        0x01021997, /* 9P */
        0x00c36400, /* Ceph */
        0x5346414f, /* AFS */
        0x6b414653, /* AFS of the kernel */
        0x73757245, /* Coda */
        0x01161970, /* GFS2 */
        0x7461636f, /* OCFS2 */
        0x0bd00bd0, /* Lustre */
        0x47504653, /* GPFS */
        0x0187,     /* autofs: a mount that is to come */
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i] == kind)
            return true;
    return false;
}

bool filesystem_may_hang(int fd)
{
    struct statfs info;

    /* The number is signed on some processors: its 32 bits are what counts. */
    return fstatfs(fd, &info) < 0 ||
           filesystem_kind_may_hang((unsigned long)info.f_type & 0xffffffff);
}
