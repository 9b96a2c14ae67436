#include "internal.h"
#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// The descriptors that bwrap finds.
enum { ARGUMENTS_FD = 3, FILTER_FD = 4, STATUS_FD = 5, BLOCK_FD = 6, FIRST_FREE_FD = 7 };

static _Noreturn void fail(const char *what) {
  dprintf(2, "%s: %s\n", what, strerror(errno));
  _exit(126);
}

static void limit(int resource, uint64_t value) {
  struct rlimit now;
  if (getrlimit(resource, &now) != 0) fail("getrlimit");
  rlim_t wanted = now.rlim_max != RLIM_INFINITY && now.rlim_max < value ? now.rlim_max : value;
  now.rlim_cur = now.rlim_max = wanted;
  if (setrlimit(resource, &now) != 0) fail("setrlimit");
}

static void set_limits(const struct spec *spec, const struct cgroup *group, bool bare) {
  // Not 0: a handler of core dumps (`|` in core_pattern) is root's and is started all the same; at 1 it is not.
  // - Source: Linux, fs/coredump.c
  limit(RLIMIT_CORE, 1);
  limit(RLIMIT_FSIZE, spec->number[N_DISK]);
  limit(RLIMIT_NOFILE, spec->number[N_DESCRIPTORS]);
  limit(RLIMIT_CPU, spec->number[N_TIMEOUT] / 1000 * spec->number[N_CPU] / 1000 + 5);
  limit(RLIMIT_MSGQUEUE, 0);
  limit(RLIMIT_MEMLOCK, 1 << 20);
  limit(RLIMIT_RTPRIO, 0);
  limit(RLIMIT_NICE, 0);
  // Queued signals also count for the user outside, who may be the worker itself.
  limit(RLIMIT_SIGPENDING, 1024);
  // An address space is far larger than memory in use, so it is limited only where nothing better is.
  if (group->level == 0) limit(RLIMIT_AS, spec->number[N_MEMORY]);
  // Under bwrap the guard sets it from outside, within the new user namespace: here it would count every process of
  // the user on this machine. Bare it makes sense only for a user of its own.
  if (bare && geteuid() == 0) limit(RLIMIT_NPROC, spec->number[N_PROCESSES]);
}

// As root the tool runs as a user who may have no way through the parent folders (a home is 0700), so both folders are
// bound into a place that is open to it, in a mount namespace of its own. Without that right the paths stay.
static void open_way(char **work, char **call) {
  if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0) return;
  int from[2] = {open(*work, O_PATH | O_DIRECTORY | O_CLOEXEC), open(*call, O_PATH | O_DIRECTORY | O_CLOEXEC)};
  char *to[2] = {"/tmp/work", "/tmp/call"};
  if (from[0] < 0 || from[1] < 0) fail("open the run's folders");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) fail("make mounts private");
  if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k") != 0) fail("mount");
  for (int i = 0; i < 2; i++) {
    char source[64];
    snprintf(source, sizeof source, "/proc/self/fd/%d", from[i]);
    if (mkdir(to[i], 0755) != 0 || mount(source, to[i], NULL, MS_BIND, NULL) != 0) fail("bind the run's folders");
    close(from[i]);
  }
  *work = to[0];
  *call = to[1];
}

static void drop_root(const struct spec *spec) {
  if (geteuid() == 0) {
    uid_t uid = (uid_t)spec->number[N_UID];
    gid_t gid = (gid_t)spec->number[N_GID];
    errno = EPERM;
    if (uid == 0 || gid == 0) fail("a tool never runs as root");
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) fail("drop root");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs");
}

// Everything goes through a file in memory: a command line can be read in /proc.
static int arguments_file(const struct spec *spec, const char *work, const char *call) {
  struct list all = {0};
  for (size_t i = 0; i < spec->arguments.count; i++) list_add(&all, spec->arguments.items[i]);
  for (size_t i = 0; i < spec->environment.count; i++) {
    char *name = need(strdup(spec->environment.items[i])), *value = strchr(name, '=');
    if (value == NULL) continue;
    *value++ = 0;
    list_add(&all, "--setenv");
    list_add(&all, name);
    list_add(&all, value);
  }
  const char *last[] = {
    "--bind", work, "/work", "--ro-bind", call, "/simplon", "--chdir", "/work", "--remount-ro", "/",
  };
  for (size_t i = 0; i < sizeof last / sizeof *last; i++) list_add(&all, last[i]);
  int fd = memfd_create("arguments", MFD_CLOEXEC);
  if (fd < 0) fail("memfd_create");
  for (size_t i = 0; i < all.count; i++) {
    size_t length = strlen(all.items[i]) + 1;
    if (write(fd, all.items[i], length) != (ssize_t)length) fail("write the arguments");
  }
  if (lseek(fd, 0, SEEK_SET) != 0) fail("lseek");
  return fd;
}

// A pipe's end that can be written too and so sees no end of file: when the guard dies before it has limited the
// sandbox, bwrap waits in it for ever, instead of going on.
static int without_end(int pipe) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", pipe);
  int both = open(path, O_RDWR | O_CLOEXEC);
  if (both < 0) fail("open the pipe that holds bwrap back");
  return both;
}

static void place(int *from, int to) {
  if (dup2(*from, to) < 0) fail("dup2");
}

static _Noreturn void exec_bwrap(
  const struct spec *spec, const char *work, const char *call, int filter, int status, int block) {
  int fds[] = {arguments_file(spec, work, call), filter, status, block};
  for (int i = 0; i < 4; i++) {
    fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
    if (fds[i] < 0) fail("move a descriptor");
  }
  for (int i = 0; i < 4; i++) place(&fds[i], ARGUMENTS_FD + i);
  if (close_range(FIRST_FREE_FD, ~0u, 0) != 0) fail("close_range");
  struct list words = {0};
  const char *own[] = {"bwrap", "--args", "3", "--seccomp", "4", "--json-status-fd", "5", "--block-fd", "6", "--"};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) list_add(&words, own[i]);
  for (size_t i = 0; i < spec->command.count; i++) list_add(&words, spec->command.items[i]);
  // An empty environment: bwrap stays as process 1 inside, and its environment can be read there.
  char *none[] = {NULL};
  execve(spec->bwrap, words.items, none);
  fail(spec->bwrap);
}

static _Noreturn void exec_bare(const struct spec *spec, const char *work, int filter) {
  static struct sock_filter code[4096];
  ssize_t length = read(filter, code, sizeof code);
  struct sock_fprog program = {.len = (unsigned short)((size_t)length / sizeof *code), .filter = code};
  if (chdir(work) != 0) fail("enter the work folder");
  if (close_range(3, ~0u, 0) != 0) fail("close_range");
  if (length <= 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) fail("seccomp");
  char *none[] = {NULL};
  execve(spec->command.items[0], spec->command.items, spec->environment.items ? spec->environment.items : none);
  fail(spec->command.items[0]);
}

static _Noreturn void run_child(
  const struct spec *spec, const struct cgroup *group, pid_t guard, int out, int err, int status, int block) {
  if (dup2(err, 2) < 0 || dup2(out, 1) < 0) _exit(126);
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || dup2(nothing, 0) < 0) fail("/dev/null");
  sigset_t signals;
  sigemptyset(&signals);
  sigprocmask(SIG_SETMASK, &signals, NULL);
  signal(SIGPIPE, SIG_DFL);
  umask(022);
  if (!cgroup_join(group)) fail("join the control group");
  // When the whole machine runs out of memory, a tool goes before what serves the others.
  // What is not dumpable is root's in /proc, and not open to itself.
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (score >= 0) {
    if (write(score, "900", 3) != 3) errno = 0;
    close(score);
  }
  // When processors are scarce, it gives way to them.
  setpriority(PRIO_PROCESS, 0, 10);
  int filter = filter_open(spec->number[N_NETWORK] != 0, group->level > 0);
  if (filter < 0) fail("build the seccomp filter");
  if (spec->bwrap != NULL) block = without_end(block);
  char *work = spec->work, *call = spec->call;
  if (spec->bwrap != NULL) open_way(&work, &call);
  set_limits(spec, group, spec->bwrap == NULL);
  drop_root(spec);
  // After the last change of user, as that clears it.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != guard) _exit(126);
  if (spec->bwrap == NULL) {
    setsid();
    exec_bare(spec, work, filter);
  }
  exec_bwrap(spec, work, call, filter, status, block);
}

void launch(struct child *child, const struct spec *spec, const struct cgroup *group) {
  int out[2], err[2], status[2], block[2];
  *child = (struct child){.pid = -1, .output = -1, .error = -1, .status = -1, .release = -1};
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || pipe2(status, O_CLOEXEC) != 0
      || pipe2(block, O_CLOEXEC) != 0)
    return;
  pid_t guard = getpid(), pid = fork();
  if (pid == 0) run_child(spec, group, guard, out[1], err[1], status[1], block[0]);
  close(out[1]);
  close(err[1]);
  close(status[1]);
  close(block[0]);
  *child = (struct child){.pid = pid, .output = out[0], .error = err[0], .status = status[0], .release = block[1]};
  int fds[] = {out[0], err[0], status[0]};
  for (int i = 0; i < 3; i++) fcntl(fds[i], F_SETFL, O_NONBLOCK);
}
#endif
