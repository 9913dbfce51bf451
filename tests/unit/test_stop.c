#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "core/stop.h"

static void requests_are_seen_and_the_first_decides(void **state)
{
    (void)state;
    assert_false(stop_requested());
    assert_int_equal(stop_exit_code(), 0);
    stop_request(SIGTERM);
    stop_request(SIGINT);
    assert_true(stop_requested());
    assert_int_equal(stop_exit_code(), 143);
    stop_request(0);
    assert_false(stop_requested());
}

static void signals_are_requests(void **state)
{
    (void)state;
    stop_install();
    raise(SIGPIPE);
    assert_false(stop_requested());
    raise(SIGINT);
    assert_true(stop_requested());
    assert_int_equal(stop_exit_code(), 130);
    raise(SIGTERM);
    assert_int_equal(stop_exit_code(), 130);
    stop_request(0);
}

static void the_third_signal_ends_the_process(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        stop_install();
        raise(SIGTERM);
        raise(SIGTERM);
        raise(SIGTERM);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 143);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_seen_and_the_first_decides),
        cmocka_unit_test(signals_are_requests),
        cmocka_unit_test(the_third_signal_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
