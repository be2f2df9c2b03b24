/* Which file systems may keep us waiting. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/magic.h>

#include "os/filesystem.h"

static void test_those_of_a_network_may_hang(void **state)
{
    static const unsigned long kinds[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,  V9FS_MAGIC,
                                          AFS_SUPER_MAGIC, CODA_SUPER_MAGIC, 0x65735546 /* FUSE */};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        assert_true(filesystem_kind_may_hang(kinds[i]));
}

static void test_those_of_this_machine_do_not(void **state)
{
    static const unsigned long kinds[] = {EXT4_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC,
                                          OVERLAYFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        assert_false(filesystem_kind_may_hang(kinds[i]));
    int fd = open("/proc", O_PATH | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_false(filesystem_may_hang(fd));
    close(fd);
    assert_true(filesystem_may_hang(fd)); /* what cannot be told */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_of_a_network_may_hang),
        cmocka_unit_test(test_those_of_this_machine_do_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
