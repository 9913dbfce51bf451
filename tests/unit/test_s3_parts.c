/* The plan of a multipart upload: sizes that every S3 takes, and hashes that fit the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/hash.h"
#include "store/s3_parts.h"

/* After ours: cmocka makes a macro of `fail`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        uint64_t size_bytes, wanted_part_bytes, part_bytes;
        int n_parts;
    } cases[] = {
        {64 * MIB + 1, 16 * MIB, 16 * MIB, 5},
        {80 * MIB, 16 * MIB, 16 * MIB, 5}, /* no empty part at the end */
        {80 * MIB + 1, 16 * MIB, 16 * MIB, 6},
        {16000 * MIB - 1, 16 * MIB, 16 * MIB, 1000},
        {16000 * MIB, 16 * MIB, 17 * MIB, 942}, /* one byte more would make 1001 */
        {5 * GIB, 16 * MIB, 16 * MIB, 320},
        {100 * GIB, 16 * MIB, 103 * MIB, 995},
        {4999 * GIB, 16 * MIB, 5119 * MIB, 1000},
        {6 * MIB, 64 << 10, 64 << 10, 96},
        {1, 16 * MIB, 16 * MIB, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct s3_store s = {.part_bytes = cases[i].wanted_part_bytes};
        struct store_file f = {.size_bytes = cases[i].size_bytes};
        struct s3_upload u;
        struct error e;
        uint64_t sum = 0;

        assert_true(s3_upload_plan(&u, &s, "k", &f, &e));
        assert_int_equal(u.part_bytes, cases[i].part_bytes);
        assert_int_equal(u.n_parts, cases[i].n_parts);
        assert_true(u.n_parts <= S3_PARTS_MAX);
        for (int p = 0; p < u.n_parts; p++) {
            assert_int_equal(s3_part_offset(&u, p), sum);
            assert_true(s3_part_size(&u, p) > 0);
            assert_true(p == u.n_parts - 1 ? s3_part_size(&u, p) <= u.part_bytes : s3_part_size(&u, p) == u.part_bytes);
            sum += s3_part_size(&u, p);
        }
        assert_int_equal(sum, f.size_bytes);
        s3_upload_free(&u);
    }
}

static void test_too_large(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {5000 * GIB, 1ull << 50, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char url[] = "s3://b";
        struct s3_store s = {.base.url = url, .part_bytes = 16 * MIB};
        struct store_file f = {.path = "m", .size_bytes = sizes[i]};
        struct s3_upload u;
        struct error e;
        assert_false(s3_upload_plan(&u, &s, "k", &f, &e));
        assert_int_equal(e.code, ERR_STORE);
        s3_upload_free(&u);
    }
}

#define N_BYTES 2500000u

static void test_hashes(void **state)
{
    (void)state;
    struct arena a = {0};
    struct error e;
    char name[] = "/tmp/retrain-parts-XXXXXX", url[] = "s3://b";
    char *bytes = arena_alloc(&a, N_BYTES);
    int fd = mkstemp(name);
    uint8_t sum[SHA256_BYTES];
    struct http_options http = {0};
    struct s3_store s = {.base.url = url, .part_bytes = MIB};
    struct store_file f;
    struct s3_upload u;

    assert_true(fd >= 0);
    for (size_t i = 0; i < N_BYTES; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    assert_int_equal(write(fd, bytes, N_BYTES), N_BYTES);
    assert_true(http_open(&http, &s.http[0], &e));
    assert_true(store_file_read(name, NULL, &f, &e));
    assert_int_equal(f.size_bytes, N_BYTES);

    assert_true(s3_upload_plan(&u, &s, "k", &f, &e));
    assert_true(s3_upload_hash(&u, &e));
    assert_int_equal(u.n_parts, 3);
    for (int p = 0; p < 3; p++) {
        sha256_of(bytes + s3_part_offset(&u, p), s3_part_size(&u, p), sum);
        assert_memory_equal(u.parts[p].sha256, sum, sizeof sum);
    }

    /* The parts are those of another file than the one that was read. */
    assert_int_equal(pwrite(fd, "x", 1, 1234567), 1);
    assert_false(s3_upload_hash(&u, &e));
    assert_int_equal(e.code, ERR_STORE);
    assert_non_null(strstr(e.message, "changed while it was being uploaded"));
    assert_int_equal(pwrite(fd, bytes + 1234567, 1, 1234567), 1);
    assert_true(s3_upload_hash(&u, &e));
    assert_int_equal(ftruncate(fd, N_BYTES - 1), 0);
    assert_false(s3_upload_hash(&u, &e));
    assert_non_null(strstr(e.message, "changed while it was being uploaded"));

    s3_upload_free(&u);
    http_close(s.http[0]);
    unlink(name);
    close(fd);
    arena_free(&a);
}

#define PART(number, size, etag) "<Part><PartNumber>" number "</PartNumber><Size>" size "</Size><ETag>" etag "</ETag></Part>"

static void test_list(void **state)
{
    (void)state;
    static const struct {
        const char *body, *etags[3], *marker;
        bool is_list;
    } cases[] = {
        {"<ListPartsResult>" PART("1", "100", "&quot;a&quot;") PART("3", "50", "c") "</ListPartsResult>", {"\"a\"", "", "c"}, NULL, true},
        {" \n<ListPartsResult>" PART("2", "99", "b") PART("3", "100", "c") "</ListPartsResult>", {"", "", ""}, NULL, true},
        {"<ListPartsResult>" PART("0", "100", "a") PART("4", "100", "b") PART("x", "100", "c") "</ListPartsResult>",
         {"", "", ""}, NULL, true},
        {"<ListPartsResult>" PART("1", "100", "&lt;") PART("2", "100", "") "</ListPartsResult>", {"", "", ""}, NULL, true},
        {"<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>" PART("1", "100", "a")
         "</ListPartsResult>", {"a", "", ""}, "1", true},
        {"<ListBucketResult/>", {"", "", ""}, NULL, false},
        {"<ListPartsResult>", {"", "", ""}, NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a = {0};
        struct s3_store s = {.part_bytes = 100};
        struct store_file f = {.size_bytes = 250};
        struct s3_upload u;
        struct error e;
        const char *marker = NULL;

        assert_true(s3_upload_plan(&u, &s, "k", &f, &e));
        assert_int_equal(s3_read_parts(&u, str_of(cases[i].body), &a, &marker, &e), cases[i].is_list);
        for (int p = 0; p < 3; p++)
            assert_string_equal(u.parts[p].etag, cases[i].etags[p]);
        assert_int_equal(marker != NULL, cases[i].marker != NULL);
        if (marker)
            assert_string_equal(marker, cases[i].marker);
        s3_upload_free(&u);
        arena_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
