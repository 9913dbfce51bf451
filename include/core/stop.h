/* SIGINT and SIGTERM ask for a stop; long loops look here between steps. Works as PID 1. */
#ifndef CORE_STOP_H
#define CORE_STOP_H

#include <stdbool.h>

void stop_install(void);         /* handlers for SIGINT and SIGTERM; SIGPIPE ignored; a third signal exits at once */
bool stop_requested(void);
double stop_age(void);           /* seconds since the first signal came; 0 when none did */
int stop_exit_code(void);        /* 130 for SIGINT, 143 for SIGTERM, 0 when none came */
void stop_request(int signal_number); /* as if the signal had come (tests, budgets); 0 forgets all signals */

#endif
