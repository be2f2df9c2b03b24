/* Classifies bytes with AVX2 where the processor has it, else through a table.
 * Both write the same marks; a fuzzer holds them to it. */
#include "http/h1/scan.h"

#include <string.h>

#include "base/macros.h"

enum { TOKEN = 1, VALUE = 2, TARGET = 4, ALL = TOKEN | VALUE | TARGET };

/** What each byte may be part of. */
static const uint8_t classes[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = ALL,
    ['"'] = VALUE | TARGET,
    ['#'] = TOKEN | VALUE,
    ['$' ... '\''] = ALL,
    ['(' ... ')'] = VALUE | TARGET,
    ['*' ... '+'] = ALL,
    [','] = VALUE | TARGET,
    ['-' ... '.'] = ALL,
    ['/'] = VALUE | TARGET,
    ['0' ... '9'] = ALL,
    [':' ... '@'] = VALUE | TARGET,
    ['A' ... 'Z'] = ALL,
    ['[' ... ']'] = VALUE | TARGET,
    ['^' ... 'z'] = ALL,
    ['{'] = VALUE | TARGET,
    ['|'] = ALL,
    ['}'] = VALUE | TARGET,
    ['~'] = ALL,
    [0x80 ... 0xff] = VALUE,
};

void h1_scan_scalar(const char *bytes, size_t len, struct h1_marks *marks)
{
    for (size_t block = 0; block * H1_SCAN_BLOCK < len; block++) {
        uint64_t name = 0, value = 0, target = 0;

        for (size_t i = 0; i < H1_SCAN_BLOCK; i++) {
            size_t at = block * H1_SCAN_BLOCK + i;
            uint64_t bad = at < len ? classes[(uint8_t)bytes[at]] ^ ALL : ALL;
            name |= (bad & 1) << i;
            value |= (bad >> 1 & 1) << i;
            target |= (bad >> 2 & 1) << i;
        }
        marks->name[block] = name;
        marks->value[block] = value;
        marks->target[block] = target;
    }
}

#if defined(__x86_64__)

#include <immintrin.h>

/* A tchar is looked up by its two halves: `low` has for each low half one bit for each of the rows
 * 0x2_ to 0x7_ in which it is a tchar, `high` has the row's bit. */
#define LOW_HALVES                                                                                 \
    0x3a, 0x3f, 0x3e, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3e, 0x3e, 0x3d, 0x15, 0x34, 0x15, 0x3d, 0x1c
#define HIGH_HALVES 0, 0, 1, 2, 4, 8, 16, 32, 0, 0, 0, 0, 0, 0, 0, 0

struct half {
    uint32_t name;
    uint32_t value;
    uint32_t target;
};

__attribute__((target("avx2"), always_inline)) static inline struct half mark_half(__m256i c)
{
    const __m256i low = _mm256_setr_epi8(LOW_HALVES, LOW_HALVES);
    const __m256i high = _mm256_setr_epi8(HIGH_HALVES, HIGH_HALVES);
    __m256i row = _mm256_and_si256(_mm256_srli_epi16(c, 4), _mm256_set1_epi8(0x0f));
    /* a shuffle yields 0 for bytes from 0x80 on, which suits */
    __m256i token = _mm256_and_si256(_mm256_shuffle_epi8(low, c), _mm256_shuffle_epi8(high, row));
    __m256i del = _mm256_cmpeq_epi8(c, _mm256_set1_epi8(0x7f));
    __m256i low_control = _mm256_cmpeq_epi8(_mm256_min_epu8(c, _mm256_set1_epi8(0x1f)), c);
    __m256i tab = _mm256_cmpeq_epi8(c, _mm256_set1_epi8('\t'));
    __m256i hash = _mm256_cmpeq_epi8(c, _mm256_set1_epi8('#'));
    /* signed: 0x21 to 0x7f */
    __m256i visible = _mm256_cmpgt_epi8(c, _mm256_set1_epi8(' '));

    return (struct half){
        .name = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(token, _mm256_setzero_si256())),
        .value = (uint32_t)_mm256_movemask_epi8(
            _mm256_or_si256(_mm256_andnot_si256(tab, low_control), del)),
        .target = ~(uint32_t)_mm256_movemask_epi8(
            _mm256_andnot_si256(_mm256_or_si256(del, hash), visible)),
    };
}

__attribute__((target("avx2"))) static void scan_avx2(const char *bytes, size_t len,
                                                      struct h1_marks *marks)
{
    _Alignas(32) char tail[H1_SCAN_BLOCK];

    for (size_t block = 0; block * H1_SCAN_BLOCK < len; block++) {
        const char *at = bytes + block * H1_SCAN_BLOCK;
        size_t left = len - block * H1_SCAN_BLOCK;
        if (left < H1_SCAN_BLOCK) { /* NUL is marked in every class */
            memset(tail, 0, sizeof tail);
            memcpy(tail, at, left);
            at = tail;
        }
        struct half a = mark_half(_mm256_loadu_si256((const __m256i *)(const void *)at));
        struct half b = mark_half(_mm256_loadu_si256((const __m256i *)(const void *)(at + 32)));
        marks->name[block] = a.name | (uint64_t)b.name << 32;
        marks->value[block] = a.value | (uint64_t)b.value << 32;
        marks->target[block] = a.target | (uint64_t)b.target << 32;
    }
}

void h1_scan(const char *bytes, size_t len, struct h1_marks *marks)
{
    if (likely(__builtin_cpu_supports("avx2")))
        scan_avx2(bytes, len, marks);
    else
        h1_scan_scalar(bytes, len, marks);
}

#else

void h1_scan(const char *bytes, size_t len, struct h1_marks *marks)
{
    h1_scan_scalar(bytes, len, marks);
}

#endif
