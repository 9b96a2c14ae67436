#include "CSandboxGuard.h"
#include "internal.h"
#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND 1000000ull
enum { SAMPLE_MS = 100, LAST_FLUSH_MS = 2000 };

struct guard {
  struct spec spec;
  struct input input;
  struct output output;
  struct cgroup group;
  struct child child;
  int signals, folder, inside;  // inside: a pidfd of the namespace's first process
  pid_t first;  // that process, or the program itself when bare
  uint64_t started, lease, next_sample;
  uint64_t passed[2];
  bool cut[2];
  enum reason reason;
  char why[512];
  char status[1024];
  size_t status_count;
  int exit_status;
  bool worker_gone, ended;
};

unsigned long long simplon_guard_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (unsigned long long)now.tv_sec * 1000000000ull + (unsigned long long)now.tv_nsec;
}

static void end_sandbox(struct guard *guard, enum reason reason, const char *why) {
  if (guard->reason == R_NONE) {
    guard->reason = reason;
    if (why[0] != 0 && why != guard->why) snprintf(guard->why, sizeof guard->why, "%s", why);
  }
  if (guard->child.pid > 0 && !guard->ended) kill(guard->child.pid, SIGKILL);
  if (guard->inside >= 0) syscall(SYS_pidfd_send_signal, guard->inside, SIGKILL, NULL, 0);
  cgroup_kill(&guard->group);
}

static void take_input(struct guard *guard) {
  int got;
  while ((got = input_read(&guard->input)) > 0) {}
  uint8_t type;
  const uint8_t *payload;
  uint32_t length;
  int frame;
  while ((frame = input_frame(&guard->input, &type, &payload, &length)) > 0) {
    if (type == 'L' && length == 8) guard->lease = number_read(payload);
    else end_sandbox(guard, R_KILLED, "the worker sent a frame that is not known");
  }
  if (frame < 0) end_sandbox(guard, R_KILLED, "the worker sent a malformed frame");
  if (got == 0) {
    guard->worker_gone = true;
    end_sandbox(guard, R_KILLED, "the worker is gone");
  }
}

// Passes on what fits under the cap and drops the rest, so that a flood neither fills memory nor blocks the tool.
static bool take_output(struct guard *guard, int which) {
  int fd = which == 0 ? guard->child.output : guard->child.error;
  static uint8_t chunk[CHUNK];
  ssize_t got = read(fd, chunk, sizeof chunk);
  if (got < 0) return false;
  if (got == 0) {
    close(fd);
    *(which == 0 ? &guard->child.output : &guard->child.error) = -1;
    return false;
  }
  uint64_t left = guard->spec.number[N_OUTPUT] - guard->passed[which];
  uint32_t keep = (uint64_t)got > left ? (uint32_t)left : (uint32_t)got;
  if (keep < (uint64_t)got) guard->cut[which] = true;
  if (keep > 0) output_frame(&guard->output, which == 0 ? 'O' : 'E', chunk, keep);
  guard->passed[which] += keep;
  return true;
}

// A process may limit another one whose user is its own real user; root needs CAP_SYS_RESOURCE, which containers lack.
static bool limit_processes(const struct spec *spec, pid_t pid) {
  bool root = geteuid() == 0;
  uid_t uid = (uid_t)spec->number[N_UID];
  gid_t gid = (gid_t)spec->number[N_GID];
  if (root && (setresgid(gid, -1, -1) != 0 || setresuid(uid, -1, -1) != 0)) return false;
  struct rlimit limit = {spec->number[N_PROCESSES], spec->number[N_PROCESSES]};
  bool done = prlimit(pid, RLIMIT_NPROC, &limit, NULL) == 0;
  return (!root || (setresuid(0, -1, -1) == 0 && setresgid(0, -1, -1) == 0)) && done;
}

// bwrap's first line names the process that is the first inside the namespace. It waits for our byte, so its limit on
// processes can be set from here: in its own user namespace it counts nobody else's.
static void take_status(struct guard *guard) {
  size_t room = sizeof guard->status - 1 - guard->status_count;
  ssize_t got = read(guard->child.status, guard->status + guard->status_count, room);
  if (got <= 0) {
    if (got == 0 || room == 0) {
      close(guard->child.status);
      guard->child.status = -1;
    }
    return;
  }
  guard->status_count += (size_t)got;
  guard->status[guard->status_count] = 0;
  if (guard->inside >= 0 || guard->reason != R_NONE) return;
  const char *at = strstr(guard->status, "\"child-pid\":");
  if (at == NULL || strchr(at, '\n') == NULL) return;
  pid_t pid = (pid_t)strtol(at + strlen("\"child-pid\":"), NULL, 10);
  guard->inside = (int)syscall(SYS_pidfd_open, pid, 0);
  guard->first = pid;
  if (guard->inside < 0 || !limit_processes(&guard->spec, pid) || write(guard->child.release, "1", 1) != 1)
    end_sandbox(guard, R_FAILED, "the guard could not limit the sandbox's processes");
}

static void take_signal(struct guard *guard) {
  struct signalfd_siginfo info;
  while (read(guard->signals, &info, sizeof info) == sizeof info)
    if (info.ssi_signo != SIGCHLD) end_sandbox(guard, R_KILLED, "the guard was told to stop");
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != guard->child.pid) continue;
    guard->ended = true;
    guard->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

static uint64_t deadline(const struct guard *guard) {
  uint64_t timeout = guard->started + guard->spec.number[N_TIMEOUT] * MILLISECOND;
  return guard->lease < timeout ? guard->lease : timeout;
}

static void check_limits(struct guard *guard, uint64_t now) {
  if (guard->reason != R_NONE) return;
  if (now >= guard->lease) end_sandbox(guard, R_LEASE, "the lease was not confirmed in time");
  else if (now >= deadline(guard)) end_sandbox(guard, R_TIMEOUT, "");
  else if (now >= guard->next_sample) {
    if (!usage_within(
          guard->folder, &guard->spec, guard->first, deadline(guard), guard->why, sizeof guard->why))
      end_sandbox(guard, R_DISK, guard->why);
    // A long walk is repeated the less often, so that it never takes more than a tenth of a processor.
    uint64_t took = simplon_guard_clock() - now;
    guard->next_sample = now + took * 10 + SAMPLE_MS * MILLISECOND;
  }
}

static int milliseconds_left(const struct guard *guard, uint64_t now) {
  uint64_t until = deadline(guard);
  if (guard->next_sample < until) until = guard->next_sample;
  // At most one sample's time: the clock of poll stands still while the machine sleeps, that of the deadlines does not.
  if (until <= now) return guard->reason == R_NONE ? 0 : SAMPLE_MS;
  uint64_t left = (until - now) / MILLISECOND + 1;
  return left > SAMPLE_MS ? SAMPLE_MS : (int)left;
}

static void watch(struct guard *guard) {
  while (!guard->ended) {
    uint64_t now = simplon_guard_clock();
    check_limits(guard, now);
    bool room = output_has_room(&guard->output);
    struct pollfd fds[] = {
      {.fd = guard->signals, .events = POLLIN},
      {.fd = guard->worker_gone ? -1 : 0, .events = POLLIN},
      {.fd = guard->child.status, .events = POLLIN},
      {.fd = room || guard->cut[0] ? guard->child.output : -1, .events = POLLIN},
      {.fd = room || guard->cut[1] ? guard->child.error : -1, .events = POLLIN},
      {.fd = guard->output.count > 0 && !guard->output.broken ? 1 : -1, .events = POLLOUT},
    };
    poll(fds, sizeof fds / sizeof *fds, milliseconds_left(guard, now));
    if (fds[0].revents) take_signal(guard);
    if (fds[1].revents) take_input(guard);
    if (fds[2].revents) take_status(guard);
    if (fds[3].revents) take_output(guard, 0);
    if (fds[4].revents) take_output(guard, 1);
    output_flush(&guard->output);
  }
}

// After the tree's end nobody can write to the sandbox's pipes any more; what is in them still counts. The worker may
// be paused, so there is a limit to the wait for it.
static void send_rest(struct guard *guard, uint64_t duration) {
  uint64_t until = simplon_guard_clock() + LAST_FLUSH_MS * MILLISECOND;
  bool last = false;
  while (!guard->worker_gone && !guard->output.broken) {
    for (int which = 0; which < 2; which++)
      while ((which == 0 ? guard->child.output : guard->child.error) >= 0 && output_has_room(&guard->output))
        if (!take_output(guard, which)) break;
    bool drained = guard->child.output < 0 && guard->child.error < 0;
    if (drained && !last) {
      uint8_t end[16 + sizeof guard->why] = {(uint8_t)guard->reason, (uint8_t)guard->group.level,
        (uint8_t)((guard->cut[0] ? 1 : 0) | (guard->cut[1] ? 2 : 0)), 0};
      for (int i = 0; i < 4; i++) end[4 + i] = (uint8_t)((uint32_t)guard->exit_status >> (8 * i));
      for (int i = 0; i < 8; i++) end[8 + i] = (uint8_t)(duration >> (8 * i));
      size_t length = strlen(guard->why);
      memcpy(end + 16, guard->why, length);
      output_frame(&guard->output, 'X', end, (uint32_t)(16 + length));
      last = true;
    }
    output_flush(&guard->output);
    if (last && guard->output.count == 0) return;
    uint64_t now = simplon_guard_clock();
    if (now >= until && now >= guard->lease) return;
    struct pollfd fds[] = {{.fd = 0, .events = POLLIN}, {.fd = guard->output.count > 0 ? 1 : -1, .events = POLLOUT}};
    poll(fds, 2, SAMPLE_MS);
    if (fds[0].revents) take_input(guard);
  }
}

static bool read_spec(struct guard *guard) {
  uint8_t type;
  const uint8_t *payload;
  uint32_t length;
  while (!guard->spec.go) {
    int frame = input_frame(&guard->input, &type, &payload, &length);
    if (frame < 0 || (frame > 0 && !spec_take(&guard->spec, type, payload, length))) return false;
    if (frame == 0 && input_read(&guard->input) == 0) return false;
  }
  return true;
}

static void prepare(struct guard *guard) {
  close_range(3, ~0u, 0);
  // No parent-death signal for the guard itself: it would come when the worker's *thread* that started it ends. The end
  // of its input says that the worker is gone.
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  int caught[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
  for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
    signal(caught[i], SIG_DFL);
    sigaddset(&signals, caught[i]);
  }
  sigprocmask(SIG_SETMASK, &signals, NULL);
  guard->signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

int simplon_guard_main(void) {
  struct guard *guard = need(calloc(1, sizeof *guard));
  guard->folder = guard->inside = -1;
  guard->child = (struct child){.pid = -1, .output = -1, .error = -1, .status = -1, .release = -1};
  prepare(guard);
  if (!read_spec(guard)) return 64;
  fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
  fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);

  const uint64_t *number = guard->spec.number;
  cgroup_make(&guard->group, &guard->spec);
  guard->folder = open(guard->spec.work, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  guard->lease = number[N_LEASE];
  guard->started = simplon_guard_clock();
  guard->next_sample = guard->started;
  if (guard->folder < 0) end_sandbox(guard, R_FAILED, "the work folder cannot be opened");
  else if (number[N_LEVEL] <= 2 && number[N_LEVEL] != (uint64_t)guard->group.level)
    end_sandbox(guard, R_FAILED, "the control group that limits the sandbox could not be made");
  else {
    launch(&guard->child, &guard->spec, &guard->group);
    if (guard->spec.bwrap == NULL) guard->first = guard->child.pid;
    if (guard->child.pid > 0) watch(guard);
    else end_sandbox(guard, R_FAILED, strerror(errno));
  }

  uint64_t duration = simplon_guard_clock() - guard->started;
  end_sandbox(guard, R_EXITED, "");
  tree_end();
  if (guard->child.status >= 0) take_status(guard);
  if (guard->reason == R_EXITED) {
    // Out of memory first: version 2 then kills the whole group, bwrap included, and nothing is reported.
    if (guard->exit_status != 0 && cgroup_ran_out_of_memory(&guard->group)) guard->reason = R_MEMORY;
    // bwrap reports the tool's exit code only when the tool was started.
    else if (guard->spec.bwrap != NULL && strstr(guard->status, "\"exit-code\"") == NULL) guard->reason = R_FAILED;
  }
  cgroup_remove(&guard->group);
  send_rest(guard, duration);
  return 0;
}
#else
int simplon_guard_main(void) { return 69; }
unsigned long long simplon_guard_clock(void) { return 0; }
#endif
