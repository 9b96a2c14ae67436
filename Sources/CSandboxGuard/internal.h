#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Frames in both directions: one byte of type, four bytes of length (little-endian), the payload.
//
// In, once each unless said: 'N' the numbers below as 64-bit words; 'B' path of bwrap (absent: run bare); 'A' one
// argument for bwrap (repeated); 'E' one NAME=value (repeated); 'C' one word of the command (repeated); 'W' work
// folder; 'I' folder with the call's files; 'G' start. Afterwards 'L' a new lease deadline (64 bits), any number of
// times. End of file means that the worker is gone.
//
// Out: 'O' and 'E' bytes of stdout and stderr; 'X' the end: reason, cgroup level, flags (1: stdout cut, 2: stderr cut),
// a zero, exit code (32 bits), duration in nanoseconds (64 bits), then a sentence for the log.

enum number {
  N_NETWORK,       // 1: sockets other than AF_UNIX are allowed
  N_UID,           // who to be when started as root
  N_GID,
  N_LEVEL,         // 0, 1 or 2: the cgroup version that must be there, or the start fails
  N_MEMORY,        // bytes
  N_PROCESSES,     // processes and threads
  N_CPU,           // thousandths of one processor
  N_DISK,          // bytes in the work folder
  N_FILES,         // entries in the work folder
  N_FREE,          // bytes that must stay free on the work folder's disk
  N_OUTPUT,        // bytes passed on, per stream
  N_TIMEOUT,       // milliseconds from the start
  N_LEASE,         // deadline, nanoseconds of CLOCK_BOOTTIME
  N_DESCRIPTORS,   // open files per process
  N_COUNT
};

struct list {
  char **items;
  size_t count, room;
};

struct spec {
  uint64_t number[N_COUNT];
  bool has_numbers, go;
  char *bwrap, *work, *call;
  struct list arguments, environment, command;
};

// Why a sandbox ended. The letters travel in the 'X' frame.
enum reason {
  R_NONE = 0,
  R_EXITED = 'e',
  R_TIMEOUT = 't',
  R_LEASE = 'l',
  R_DISK = 'd',
  R_MEMORY = 'm',
  R_KILLED = 'k',
  R_FAILED = 'f',
};

// A sandbox's own control group: one folder with v2, one per controller with v1, none at level 0.
struct cgroup {
  int level;
  int count;
  char path[3][4096];
  char memory[4096];
};

// input.c: a frame reader that never blocks once started.
struct input {
  uint8_t *bytes;
  size_t count, room;
};
// 1: something was read; 0: end of file; -1: nothing there now.
int input_read(struct input *in);
// 1: a frame was taken; 0: not whole yet; -1: malformed. The payload stays valid until the next call.
int input_frame(struct input *in, uint8_t *type, const uint8_t **payload, uint32_t *length);
// Adds one frame to the spec. False when it is unknown or malformed.
bool spec_take(struct spec *spec, uint8_t type, const uint8_t *payload, uint32_t length);
void list_add(struct list *list, const char *text);
// Memory or nothing: the guard ends when there is none.
void *need(void *pointer);
uint64_t number_read(const uint8_t *bytes);

// cgroup.c
void cgroup_make(struct cgroup *group, const struct spec *spec);
bool cgroup_join(const struct cgroup *group);
void cgroup_kill(const struct cgroup *group);
bool cgroup_ran_out_of_memory(const struct cgroup *group);
void cgroup_remove(struct cgroup *group);

// filter.c: a descriptor with the seccomp program, or -1. Counted: a control group limits all of the sandbox's memory.
int filter_open(bool network, bool counted);

// launch.c
struct child {
  pid_t pid;
  int output, error;   // the sandbox's stdout and stderr, to read
  int status, release; // bwrap's status lines, to read; a byte written here lets it go on; -1 when bare
};
// Starts it. On failure pid is -1 and errno says why.
void launch(struct child *child, const struct spec *spec, const struct cgroup *group);

// usage.c
// Whether the sandbox is within the limits of its work folder; `why` gets a sentence when it is not. `first` is the
// process above all of its others, 0 while there is none; the look at them ends at the time `until`.
bool usage_within(int folder, const struct spec *spec, pid_t first, uint64_t until, char *why, size_t room);
struct stat;
uint64_t file_bytes(const struct stat *info);

// held.c
// Adds up removed files that a process and those below it hold open: they are in no folder and take room all the same.
void held_count(
  const struct spec *spec, pid_t first, dev_t device, uint64_t until, uint64_t *bytes, uint64_t *files);

// output.c: frames on descriptor 1, never blocking.
struct output {
  uint8_t *bytes;
  size_t start, count;
  bool broken;
};
enum { OUTPUT_ROOM = 512 * 1024, CHUNK = 32 * 1024 };
bool output_has_room(const struct output *out);
void output_frame(struct output *out, uint8_t type, const void *payload, uint32_t length);
void output_flush(struct output *out);

// tree.c
// Kills and reaps every descendant; returns when none is left.
void tree_end(void);
