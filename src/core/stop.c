#include "core/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

/* Lock-free atomics: the handler may run on any thread, between any two instructions. */
static atomic_int first_signal;
static atomic_int n_signals;
static _Atomic long long first_at_ns; /* monotonic */

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* async-signal-safe */
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void remember(int signal_number)
{
    int none = 0;
    long long never = 0;
    atomic_compare_exchange_strong(&first_at_ns, &never, now_ns());
    atomic_compare_exchange_strong(&first_signal, &none, signal_number);
}

static void on_signal(int signal_number)
{
    remember(signal_number);
    if (atomic_fetch_add(&n_signals, 1) >= 2)
        _exit(128 + signal_number); /* whoever asks three times means it */
}

/* Explicit handlers also matter because PID 1 in a container ignores signals whose action is the default. SA_RESTART
 * spares reads and writes an EINTR; poll and nanosleep return early all the same, which is what the loops want. */
void stop_install(void)
{
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool stop_requested(void)
{
    return atomic_load_explicit(&first_signal, memory_order_relaxed) != 0;
}

int stop_exit_code(void)
{
    int signal_number = atomic_load(&first_signal);
    return signal_number ? 128 + signal_number : 0;
}

double stop_age(void)
{
    return stop_requested() ? (double)(now_ns() - atomic_load(&first_at_ns)) / 1e9 : 0;
}

void stop_request(int signal_number)
{
    if (signal_number == 0) {
        atomic_store(&first_signal, 0);
        atomic_store(&n_signals, 0);
        atomic_store(&first_at_ns, 0);
        return;
    }
    remember(signal_number);
}
