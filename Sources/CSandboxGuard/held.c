#include "CSandboxGuard.h"
#include "internal.h"
#ifdef __linux__
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

// A program that forks while we look must not lead us on for ever.
enum { MOST_PROCESSES = 1 << 16 };

struct file {
  dev_t device;
  ino_t number;
  uint64_t bytes;
};

struct scan {
  pid_t *processes;
  size_t process_count, process_room;
  struct file *files;
  size_t file_count, file_room;
  dev_t device;
};

// The other places of a sandbox are in memory and limited there.
static bool in_memory(const char *path) {
  struct statfs system;
  return statfs(path, &system) == 0 && (system.f_type == TMPFS_MAGIC || system.f_type == HUGETLBFS_MAGIC);
}

static void add_files(struct scan *scan, const char *table) {
  DIR *listing = opendir(table);
  if (listing == NULL) return;
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    struct stat info;
    if (!isdigit((unsigned char)entry->d_name[0]) || fstatat(dirfd(listing), entry->d_name, &info, 0) != 0) continue;
    if (!S_ISREG(info.st_mode) || info.st_nlink > 0) continue;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", table, entry->d_name);
    // Where several file systems lie one over another, a file's device is not its folder's.
    if (info.st_dev != scan->device && in_memory(path)) continue;
    if (scan->file_count == scan->file_room) {
      scan->file_room = scan->file_room * 2 + 64;
      scan->files = need(realloc(scan->files, scan->file_room * sizeof *scan->files));
    }
    scan->files[scan->file_count++] = (struct file){info.st_dev, info.st_ino, file_bytes(&info)};
  }
  closedir(listing);
}

static void add_children(struct scan *scan, const char *path) {
  FILE *list = fopen(path, "re");
  if (list == NULL) return;
  for (int child; scan->process_count < scan->process_room && fscanf(list, "%d", &child) == 1;)
    scan->processes[scan->process_count++] = child;
  fclose(list);
}

// Each thread has children of its own, and may have a table of descriptors of its own; most share one.
static void add_process(struct scan *scan, pid_t process) {
  char path[128];
  snprintf(path, sizeof path, "/proc/%d/task", (int)process);
  DIR *listing = opendir(path);
  if (listing == NULL) return;
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
    if (thread <= 0) continue;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)process, (int)thread);
    add_children(scan, path);
    if (thread != process && syscall(SYS_kcmp, process, thread, KCMP_FILES, 0, 0) == 0) continue;
    snprintf(path, sizeof path, "/proc/%d/task/%d/fd", (int)process, (int)thread);
    add_files(scan, path);
  }
  closedir(listing);
}

static int compare(const void *one, const void *other) {
  const struct file *a = one, *b = other;
  if (a->device != b->device) return a->device < b->device ? -1 : 1;
  return a->number < b->number ? -1 : a->number > b->number;
}

// Descriptors can be seen by who runs the program; in a container root may lack the right to see another's. Where this
// fails, root looks as it is.
static bool look_as(uid_t user, gid_t group) { return setresgid(-1, group, -1) == 0 && setresuid(-1, user, -1) == 0; }

void held_count(
  const struct spec *spec, pid_t first, dev_t device, uint64_t until, uint64_t *bytes, uint64_t *files) {
  size_t room = spec->number[N_PROCESSES] > MOST_PROCESSES / 4 ? MOST_PROCESSES : spec->number[N_PROCESSES] * 4 + 1;
  struct scan scan = {.process_room = room, .device = device};
  scan.processes = need(malloc(room * sizeof *scan.processes));
  uid_t user = geteuid();
  gid_t group = getegid();
  if (user == 0) look_as((uid_t)spec->number[N_UID], (gid_t)spec->number[N_GID]);
  scan.processes[scan.process_count++] = first;
  for (size_t i = 0; i < scan.process_count && simplon_guard_clock() < until; i++)
    add_process(&scan, scan.processes[i]);
  if (setresuid(-1, user, -1) != 0 || setresgid(-1, group, -1) != 0) _exit(70);
  // Forks share files, and each counts once.
  if (scan.file_count > 0) qsort(scan.files, scan.file_count, sizeof *scan.files, compare);
  for (size_t i = 0; i < scan.file_count; i++) {
    if (i > 0 && compare(&scan.files[i - 1], &scan.files[i]) == 0) continue;
    *bytes += scan.files[i].bytes;
    *files += 1;
  }
  free(scan.files);
  free(scan.processes);
}
#endif
