// Stands before libfaketime: it moves timers of monotonic clocks along with the wall clock, which no kernel does.
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timerfd_settime(int timer, int flags, const struct itimerspec *next, struct itimerspec *last) {
  return (int)syscall(SYS_timerfd_settime, timer, flags, next, last);
}
