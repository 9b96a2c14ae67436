#pragma once

// The guard: a small single-threaded process that owns one sandbox and outlives neither it nor its worker.
//
// It is our own executable started as `simplon __guard`; main must call this before anything else starts a thread,
// as the sandbox dies with the guard's thread. Frames come in on descriptor 0 and go out on descriptor 1; both are
// described in `internal.h`. Returns the process's exit code.
int simplon_guard_main(void);

// Nanoseconds of CLOCK_BOOTTIME, which goes on while the machine sleeps. Every deadline given to a guard is one of
// these, so both sides read the same clock.
unsigned long long simplon_guard_clock(void);

// Copies up to a gigabyte between two descriptors at their positions, sharing blocks where the file system can (the
// kernel clones before it copies). The count; 0 at the end; -1 where it does not work. - Source: copy_file_range(2)
long simplon_copy_range(int from, int to);
