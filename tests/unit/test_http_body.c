/* The bytes of a request: whole, again from the start, and never the last one of a file that is not what it was. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "cloud/http_body.h"

enum { SIZE = 1000, SKIPPED = 7 };

static char path[] = "/tmp/retrain-test-body-XXXXXX";
static char bytes[SKIPPED + SIZE];
static uint8_t sum[SHA256_BYTES];
static struct error err;

static void write_file(size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_true(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    for (int i = 0; i < SKIPPED + SIZE; i++)
        bytes[i] = (char)(i * 31);
    sha256_of(bytes + SKIPPED, SIZE, sum);
    return fd >= 0 && close(fd) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static struct http_request of_file(void)
{
    return (struct http_request){.body_path = path, .body_offset = SKIPPED, .body_bytes = SIZE, .body_sha256 = sum};
}

/* In pieces of so many bytes; returns how many came before the end or a refusal. */
static size_t read_all(struct http_body *b, size_t piece, char *out, bool *ok)
{
    size_t at = 0, n;
    do {
        n = piece;
        *ok = http_body_read(b, out + at, &n);
        at += *ok ? n : 0;
    } while (*ok && n > 0);
    return at;
}

static void it_comes_whole_and_again(void **state)
{
    (void)state;
    struct http_request from_file = of_file(), from_memory = {.body = {bytes + SKIPPED, SIZE}};
    const struct http_request *requests[] = {&from_file, &from_memory};
    write_file(sizeof bytes);
    for (size_t r = 0; r < COUNT(requests); r++) {
        for (size_t piece = 1; piece <= 2 * SIZE; piece *= 3) {
            struct http_body b;
            char got[SIZE + 1];
            bool ok;
            size_t n = piece < SIZE ? piece : SIZE;
            assert_true(http_body_open(&b, requests[r], &err));
            assert_int_equal(http_body_size(&b), SIZE);
            assert_true(http_body_read(&b, got, &n)); /* the connection died here */
            assert_true(http_body_rewind(&b));
            assert_int_equal(read_all(&b, piece, got, &ok), SIZE);
            assert_true(ok && !b.has_changed);
            assert_memory_equal(got, bytes + SKIPPED, SIZE);
            http_body_close(&b);
        }
    }
}

static void a_changed_file_keeps_its_last_byte(void **state)
{
    (void)state;
    struct http_request r = of_file();
    for (size_t piece = 1; piece <= SIZE; piece *= 10) {
        struct http_body b;
        char got[SIZE + 1];
        bool ok;
        bytes[SKIPPED + 3]++;
        write_file(sizeof bytes);
        bytes[SKIPPED + 3]--;
        assert_true(http_body_open(&b, &r, &err));
        assert_in_range(read_all(&b, piece, got, &ok), 0, SIZE - 1);
        assert_true(!ok && b.has_changed);
        http_body_close(&b);

        write_file(SKIPPED + SIZE - 1);
        assert_true(http_body_open(&b, &r, &err));
        assert_in_range(read_all(&b, piece, got, &ok), 0, SIZE - 1);
        assert_true(!ok && b.has_changed);
        http_body_close(&b);
    }
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    struct http_request r = of_file();
    struct http_body b;
    r.body_path = "/nowhere/model.onnx";
    assert_false(http_body_open(&b, &r, &err));
    assert_int_equal(err.code, ERR_STORE);
    assert_non_null(strstr(err.message, "/nowhere/model.onnx"));
    http_body_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_whole_and_again),
        cmocka_unit_test(a_changed_file_keeps_its_last_byte),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests_name("http_body", tests, set_up, tear_down);
}
