#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

#include "core/hash.h"

static void check_hex(const uint8_t sum[SHA256_BYTES], const char *want)
{
    char hex[SHA256_HEX];
    hex_encode(sum, SHA256_BYTES, hex);
    assert_string_equal(hex, want);
}

/* FIPS 180-2, appendix B. */
static void sha256_gives_the_known_answers(void **state)
{
    (void)state;
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t sum[SHA256_BYTES];
    sha256_of("abc", 3, sum);
    check_hex(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of(NULL, 0, sum);
    check_hex(sum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_of(two_blocks, sizeof two_blocks - 1, sum);
    check_hex(sum, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    struct sha256 h;
    sha256_begin(&h);
    for (int i = 0; i < 10000; i++) {
        char hundred[100];
        memset(hundred, 'a', sizeof hundred);
        sha256_add(&h, hundred, sizeof hundred);
    }
    sha256_end(&h, sum);
    check_hex(sum, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231, cases 1, 2 and 6. */
static void hmac_gives_the_known_answers(void **state)
{
    (void)state;
    uint8_t sum[SHA256_BYTES];
    char key[131];
    memset(key, 0x0b, 20);
    hmac_sha256(key, 20, "Hi There", 8, sum);
    check_hex(sum, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, sum);
    check_hex(sum, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    hmac_sha256(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54, sum);
    check_hex(sum, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256(NULL, 0, NULL, 0, sum);
    check_hex(sum, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 1321, A.5. */
static void md5_gives_the_known_answers(void **state)
{
    (void)state;
    char path[] = "/tmp/retrain-test-XXXXXX", hex[2 * MD5_BYTES + 1];
    struct error e = {0};
    uint8_t sum[MD5_BYTES];
    assert_true(md5_of(NULL, 0, sum, &e));
    hex_encode(sum, sizeof sum, hex);
    assert_string_equal(hex, "d41d8cd98f00b204e9800998ecf8427e");
    assert_true(md5_of("message digest", 14, sum, &e));
    hex_encode(sum, sizeof sum, hex);
    assert_string_equal(hex, "f96b697d7cb7938d525a2f31aaf161d0");

    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "a message digest, in a file", 27) == 27);
    close(fd);
    assert_true(md5_of_file(path, 2, 14, sum, &e));
    hex_encode(sum, sizeof sum, hex);
    assert_string_equal(hex, "f96b697d7cb7938d525a2f31aaf161d0");
    assert_false(md5_of_file(path, 14, 14, sum, &e));
    assert_non_null(strstr(e.message, "it became shorter"));
    unlink(path);
    assert_false(md5_of_file(path, 0, 1, sum, &e));
    assert_non_null(strstr(e.message, path));
}

static void files_are_digested(void **state)
{
    (void)state;
    char path[] = "/tmp/retrain-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "abc", 3) == 3);
    close(fd);
    struct error e = {0};
    uint8_t sum[SHA256_BYTES];
    uint64_t size = 0;
    assert_true(sha256_file(path, sum, &size, &e));
    assert_true(size == 3);
    check_hex(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(sha256_file(path, sum, NULL, &e));
    unlink(path);
    assert_false(sha256_file(path, sum, &size, &e));
    assert_non_null(strstr(e.message, path));
    assert_false(sha256_file("/tmp", sum, &size, &e));
}

static void hex_is_strict(void **state)
{
    (void)state;
    uint8_t out[3];
    assert_true(hex_decode(STR_LIT("00fFa5"), out, 3));
    assert_memory_equal(out, "\x00\xff\xa5", 3);
    assert_false(hex_decode(STR_LIT("00ff"), out, 3));
    assert_false(hex_decode(STR_LIT("00ffa"), out, 3));
    assert_false(hex_decode(STR_LIT("00ffag"), out, 3));
    assert_true(hex_decode(STR_LIT(""), out, 0));
}

/* RFC 4648, section 10. */
static void base64_gives_the_known_answers(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *encoded;
    } cases[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str_buf b = STR_BUF(100), back = STR_BUF(100), bare = STR_BUF(100);
        base64_encode((const uint8_t *)cases[i].plain, strlen(cases[i].plain), &b);
        assert_string_equal(str_buf_text(&b), cases[i].encoded);
        assert_true(base64url_decode(str_buf_view(&b), &back));
        assert_string_equal(str_buf_text(&back), cases[i].plain);
        assert_true(base64url_decode((struct str){cases[i].encoded, strcspn(cases[i].encoded, "=")}, &bare));
        assert_string_equal(str_buf_text(&bare), cases[i].plain);
        str_buf_free(&b);
        str_buf_free(&back);
        str_buf_free(&bare);
    }
    static const struct {
        const char *text;
        bool is_valid;
    } url[] = {{"-_-_", true}, {"+/+/", false}, {"Z", false}, {"Zh", false}, {"Zg=", false}, {"Z===", false}, {"Zm 9v", false},
               {"Zg==Zg==", false}, {"====", false}};
    for (size_t i = 0; i < COUNT(url); i++) {
        struct str_buf b = STR_BUF(100);
        if (base64url_decode(str_of(url[i].text), &b) != url[i].is_valid)
            fail_msg("\"%s\"", url[i].text);
        str_buf_free(&b);
    }
}

static void random_bytes_differ_and_wiping_wipes(void **state)
{
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0}, zero[1000] = {0};
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    assert_true(memcmp(a, b, sizeof a) != 0);
    assert_true(memcmp(a + 900, zero, 100) != 0);
    secure_wipe(a, sizeof a);
    assert_memory_equal(a, zero, sizeof a);
    secure_wipe(NULL, 0);
    random_bytes(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_known_answers), cmocka_unit_test(hmac_gives_the_known_answers),
        cmocka_unit_test(md5_gives_the_known_answers),
        cmocka_unit_test(files_are_digested),             cmocka_unit_test(hex_is_strict),
        cmocka_unit_test(base64_gives_the_known_answers), cmocka_unit_test(random_bytes_differ_and_wiping_wipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
