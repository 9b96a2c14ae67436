#include "internal.h"
#ifdef __linux__
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// The parent of a process, or 0. Field 4 of /proc/PID/stat; the name before it may hold anything, so look from its end.
static pid_t parent_of(pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return 0;
  text[got] = 0;
  char *end = strrchr(text, ')');
  int parent = 0;
  if (end == NULL || sscanf(end + 1, " %*c %d", &parent) != 1) return 0;
  return parent;
}

static void kill_children(void) {
  DIR *folder = opendir("/proc");
  if (folder == NULL) return;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (parent_of(pid) == getpid()) kill(pid, SIGKILL);
  }
  closedir(folder);
}

// The guard is a subreaper: what loses its parent becomes its child, so killing children until none is left ends the
// whole tree. A pid namespace takes its own processes along before its first one can be reaped.
void tree_end(void) {
  for (useconds_t pause = 500;; pause = pause < 32000 ? pause * 2 : pause) {
    pid_t got = waitpid(-1, NULL, WNOHANG);
    if (got > 0) continue;
    if (got < 0 && errno == ECHILD) return;
    kill_children();
    usleep(pause);
  }
}
#endif
