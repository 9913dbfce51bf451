/* cmocka with the headers that it needs first. */
#ifndef TESTS_HARNESS_CMOCKA_ALL_H
#define TESTS_HARNESS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* cmocka claims the word that our errors use. */
#undef fail
#undef fail_msg
#define fail_msg(...)                                                                                        \
    do {                                                                                                     \
        print_error("ERROR: " __VA_ARGS__);                                                                  \
        print_error("\n");                                                                                   \
        _fail(__FILE__, __LINE__);                                                                           \
    } while (0)

#endif
