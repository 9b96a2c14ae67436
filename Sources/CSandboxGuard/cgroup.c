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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "simplon-"

static bool put(const char *folder, const char *name, const char *text) {
  char path[4352];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  size_t length = strlen(text);
  bool done = write(fd, text, length) == (ssize_t)length;
  close(fd);
  return done;
}

static bool put_number(const char *folder, const char *name, uint64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  return put(folder, name, text);
}

static bool has(const char *folder, const char *name) {
  char path[4352];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return access(path, F_OK) == 0;
}

// Whether a comma-separated list holds a word.
static bool lists(const char *list, const char *word) {
  size_t length = strlen(word);
  for (const char *at = list; at != NULL && *at; at = strchr(at, ','), at = at ? at + 1 : NULL)
    if (strncmp(at, word, length) == 0 && (at[length] == 0 || at[length] == ',')) return true;
  return false;
}

// Our own path within a hierarchy; the controller is NULL for version 2. - Source: cgroups(7), /proc/pid/cgroup
static bool own_path(const char *controller, char *path, size_t room) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (file == NULL) return false;
  char line[4096];
  bool found = false;
  while (!found && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = 0;
    char *names = strchr(line, ':'), *rest = names ? strchr(names + 1, ':') : NULL;
    if (rest == NULL) continue;
    *rest = 0;
    names += 1;
    found = controller == NULL ? strncmp(line, "0:", 2) == 0 && *names == 0 : lists(names, controller);
    if (found) snprintf(path, room, "%s", rest + 1);
  }
  fclose(file);
  return found;
}

// The folder of our own group in a hierarchy, and the hierarchy's mount point. - Source: proc(5), mountinfo
static bool own_folder(const char *controller, char *folder, char *top, size_t room) {
  char path[2048];
  if (!own_path(controller, path, sizeof path)) return false;
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (file == NULL) return false;
  char line[4096];
  bool found = false;
  while (!found && fgets(line, sizeof line, file) != NULL) {
    char root[1024], point[1024], type[64], options[1024];
    char *rest = strstr(line, " - ");
    if (rest == NULL || sscanf(line, "%*s %*s %*s %1023s %1023s", root, point) != 2) continue;
    if (sscanf(rest, " - %63s %*s %1023s", type, options) != 2) continue;
    if (controller == NULL ? strcmp(type, "cgroup2") != 0 : strcmp(type, "cgroup") != 0 || !lists(options, controller))
      continue;
    size_t skip = strcmp(root, "/") != 0 && strncmp(path, root, strlen(root)) == 0 ? strlen(root) : 0;
    snprintf(top, room, "%s", point);
    snprintf(folder, room, "%s%s", point, strcmp(path + skip, "/") == 0 ? "" : path + skip);
    // In a container the path may be the host's; what we see is then the mount itself.
    if (access(folder, F_OK) != 0) snprintf(folder, room, "%s", point);
    found = true;
  }
  fclose(file);
  return found;
}

// Kills what a group holds; a process of a namespace that we do not see is listed as 0.
static void kill_members(const char *folder) {
  char path[4608], line[64];
  snprintf(path, sizeof path, "%s/cgroup.procs", folder);
  FILE *file = fopen(path, "re");
  if (file == NULL) return;
  while (fgets(line, sizeof line, file) != NULL) {
    pid_t pid = (pid_t)strtol(line, NULL, 10);
    if (pid > 1) kill(pid, SIGKILL);
  }
  fclose(file);
}

// A group is named after its guard's process, and after the namespace that counts it: containers may share a tree of
// groups, and none of them sees whether another's process lives.
static unsigned long long own_namespace(void) {
  struct stat info;
  return stat("/proc/self/ns/pid", &info) == 0 ? info.st_ino : 0;
}

// Removes groups whose guard is gone (it was killed), and first what may have been left in them: a sandbox that nobody
// limits. A group stays busy until its processes have been reaped; then a later sweep takes it.
static void sweep(const char *folder) {
  DIR *listing = opendir(folder);
  if (listing == NULL) return;
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    unsigned long long space;
    int guard;
    if (sscanf(entry->d_name, PREFIX "%llu-%d", &space, &guard) != 2) continue;
    char path[4352];
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (space != own_namespace()) {
      // Another container's, perhaps one that is no more: only an empty group can be removed, and a new one is let be.
      struct stat info;
      if (stat(path, &info) == 0 && info.st_mtime < time(NULL) - 86400) rmdir(path);
      continue;
    }
    if (guard <= 0 || kill(guard, 0) == 0 || errno != ESRCH) continue;
    kill_members(path);
    rmdir(path);
  }
  closedir(listing);
}

static bool add(struct cgroup *group, const char *parent) {
  sweep(parent);
  char *path = group->path[group->count];
  size_t room = sizeof group->path[0];
  if (snprintf(path, room, "%s/" PREFIX "%llu-%d", parent, own_namespace(), (int)getpid()) >= (int)room) return false;
  rmdir(path);
  if (mkdir(path, 0755) != 0) return false;
  group->count += 1;
  return true;
}

static bool make_v2_below(struct cgroup *group, const struct spec *spec, const char *parent) {
  put(parent, "cgroup.subtree_control", "+memory +pids");
  put(parent, "cgroup.subtree_control", "+cpu");
  if (!add(group, parent)) return false;
  const char *own = group->path[0];
  char quota[64];
  snprintf(quota, sizeof quota, "%llu 100000", (unsigned long long)spec->number[N_CPU] * 100);
  if (put_number(own, "memory.max", spec->number[N_MEMORY]) && put_number(own, "pids.max", spec->number[N_PROCESSES])) {
    put(own, "memory.swap.max", "0");
    put(own, "memory.oom.group", "1");
    put(own, "cpu.max", quota);
    snprintf(group->memory, sizeof group->memory, "%s/memory.events", own);
    return true;
  }
  cgroup_remove(group);
  return false;
}

// Our own group may not have both processes and limited children, unless it is the root; then the one above may do.
static bool make_v2(struct cgroup *group, const struct spec *spec) {
  char folder[4096], top[4096];
  if (!own_folder(NULL, folder, top, sizeof folder)) return false;
  for (;;) {
    if (make_v2_below(group, spec, folder)) return true;
    if (strlen(folder) <= strlen(top)) return false;
    char *slash = strrchr(folder, '/');
    if (slash == NULL) return false;
    *slash = 0;
  }
}

static bool make_v1(struct cgroup *group, const struct spec *spec) {
  char folder[4096], top[4096];
  bool made = own_folder("memory", folder, top, sizeof folder) && add(group, folder);
  if (made) {
    const char *own = group->path[group->count - 1];
    made = put_number(own, "memory.limit_in_bytes", spec->number[N_MEMORY]);
    put(own, "memory.swappiness", "0");
    if (has(own, "memory.memsw.limit_in_bytes")) put_number(own, "memory.memsw.limit_in_bytes", spec->number[N_MEMORY]);
    snprintf(group->memory, sizeof group->memory, "%s/memory.oom_control", own);
  }
  made = made && own_folder("pids", folder, top, sizeof folder) && add(group, folder)
         && put_number(group->path[group->count - 1], "pids.max", spec->number[N_PROCESSES]);
  if (made && own_folder("cpu", folder, top, sizeof folder) && add(group, folder)) {
    put_number(group->path[group->count - 1], "cpu.cfs_period_us", 100000);
    put_number(group->path[group->count - 1], "cpu.cfs_quota_us", spec->number[N_CPU] * 100);
  }
  if (!made) cgroup_remove(group);
  return made;
}

void cgroup_make(struct cgroup *group, const struct spec *spec) {
  group->count = 0;
  group->level = 0;
  uint64_t wanted = spec->number[N_LEVEL];
  if (wanted >= 2 && make_v2(group, spec)) group->level = 2;
  else if (wanted != 0 && wanted != 2 && make_v1(group, spec)) group->level = 1;
}

bool cgroup_join(const struct cgroup *group) {
  for (int i = 0; i < group->count; i++)
    if (!put(group->path[i], "cgroup.procs", "0")) return false;
  return true;
}

void cgroup_kill(const struct cgroup *group) {
  if (group->count == 0 || put(group->path[0], "cgroup.kill", "1")) return;
  kill_members(group->path[0]);
}

// Both versions write a line `oom_kill N`.
// - Source: kernel, Documentation/admin-guide, cgroup-v1/memory.rst and cgroup-v2.rst
bool cgroup_ran_out_of_memory(const struct cgroup *group) {
  if (group->level == 0) return false;
  FILE *file = fopen(group->memory, "re");
  if (file == NULL) return false;
  char line[256];
  unsigned long long kills = 0;
  while (fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "oom_kill %llu", &kills) == 1) break;
  fclose(file);
  return kills > 0;
}

// A group stays busy for a moment after its last process was reaped.
void cgroup_remove(struct cgroup *group) {
  for (int i = 0; i < group->count; i++)
    for (int attempt = 0; attempt < 200 && rmdir(group->path[i]) != 0 && errno == EBUSY; attempt++) usleep(1000);
  group->count = 0;
}
#endif
