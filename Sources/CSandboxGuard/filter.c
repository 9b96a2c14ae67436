#include "internal.h"
#ifdef __linux__
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef TIOCSTI
#define TIOCSTI 0x5412
#endif
#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

// Refused with EPERM: what a tool has no use for and kernel faults came through. By name, as a library older than a
// system call then skips it.
static const char *const refused[] = {
  "io_uring_setup", "io_uring_enter", "io_uring_register",
  "bpf", "perf_event_open", "userfaultfd", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
  "kcmp", "pidfd_getfd", "fanotify_init", "lookup_dcookie", "name_to_handle_at", "open_by_handle_at",
  "keyctl", "add_key", "request_key",
  "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
  "pivot_root", "chroot", "swapon", "swapoff", "quotactl", "quotactl_fd", "acct",
  "unshare", "setns",
  "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "syslog", "vhangup",
  "iopl", "ioperm", "modify_ldt", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
};

// What holds memory that belongs to no process: refused where memory is limited by process.
static const char *const unlimited[] = {"memfd_create", "memfd_secret", "shmget", "msgget", "semget"};

// System calls are numbered alike on all architectures from 424 on. What came after Linux 6.4 has been judged by nobody
// here, so it is not there, and programs go on as on an older kernel. The numbers from 512 on are another ABI's.
enum { FIRST_UNKNOWN = 451, FIRST_FOREIGN = 512 };

// CLONE_NEWTIME is missing: clone reads its low byte as the exit signal.
static const unsigned long namespaces[] = {
  CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
};

static int refuse(scmp_filter_ctx filter, const char *const *names, size_t count) {
  int failed = 0;
  for (size_t i = 0; i < count; i++) {
    int call = seccomp_syscall_resolve_name(names[i]);
    if (call != __NR_SCMP_ERROR) failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
  }
  return failed;
}

static int add_rules(scmp_filter_ctx filter, bool network, bool counted) {
  int failed = refuse(filter, refused, sizeof refused / sizeof *refused);
  if (!counted) failed |= refuse(filter, unlimited, sizeof unlimited / sizeof *unlimited);
  for (int call = FIRST_UNKNOWN; call < FIRST_FOREIGN; call++)
    failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0);
  // clone's flags can be seen here; clone3's lie in memory, so libraries are sent back to clone.
  for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
    failed |= seccomp_rule_add(
      filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
  }
  failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  // The kernel reads 32 bits of the request, so 32 are compared: a set upper bit must not slip past.
  failed |= seccomp_rule_add(
    filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCSTI));
  failed |= seccomp_rule_add(
    filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, TIOCLINUX));
  if (!network) {
    failed |= seccomp_rule_add(
      filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));
    failed |= seccomp_rule_add(
      filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));
  }
  return failed;
}

int filter_open(bool network, bool counted) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (filter == NULL) return -1;
  int fd = memfd_create("filter", MFD_CLOEXEC);
  bool done = fd >= 0 && add_rules(filter, network, counted) == 0 && seccomp_export_bpf(filter, fd) == 0
              && lseek(fd, 0, SEEK_SET) == 0;
  seccomp_release(filter);
  if (!done && fd >= 0) close(fd);
  return done ? fd : -1;
}
#endif
