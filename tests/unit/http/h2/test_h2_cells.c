/* The memory that HTTP/2 sessions share: sizes, contents kept on growth, and the bound on what is
 * kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/h2/cells.h"

static void test_cells_give_room_for_every_size(void **state)
{
    struct h2_cells cells = {0};

    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 2000; size++) {
            char *piece = h2_cells_take(&cells, size);
            assert_int_equal((uintptr_t)piece % 16, 0);
            memset(piece, 0x5a, size);
            h2_cells_give(&cells, piece);
        }
    }
    h2_cells_finish(&cells);
    assert_int_equal(cells.kept, 0);
}

static void test_cells_keep_contents_on_resize(void **state)
{
    struct h2_cells cells = {0};
    char *piece = h2_cells_resize(&cells, NULL, 3);

    memcpy(piece, "abc", 3);
    for (size_t size = 10; size < 5000; size += 37) {
        piece = h2_cells_resize(&cells, piece, size);
        assert_memory_equal(piece, "abc", 3);
        memset(piece + 3, 'x', size - 3);
    }
    h2_cells_give(&cells, piece);
    h2_cells_give(&cells, NULL);
    h2_cells_finish(&cells);
}

static void test_cells_keep_no_more_than_a_mebibyte(void **state)
{
    enum { COUNT = 10000 };
    static void *pieces[COUNT];
    struct h2_cells cells = {0};

    for (int i = 0; i < COUNT; i++)
        pieces[i] = h2_cells_take(&cells, 400);
    for (int i = 0; i < COUNT; i++)
        h2_cells_give(&cells, pieces[i]);
    assert_true(cells.kept <= 1 << 20);
    h2_cells_finish(&cells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_give_room_for_every_size),
        cmocka_unit_test(test_cells_keep_contents_on_resize),
        cmocka_unit_test(test_cells_keep_no_more_than_a_mebibyte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
