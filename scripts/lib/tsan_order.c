/* Tells ThreadSanitizer of an order that it cannot see; preloaded by `scripts/test --tsan`.
 *
 * Swift's own libraries are not compiled for the sanitizer. So it misses the order that they make in two places, and takes
 * what they protect for a race:
 *   - a `Mutex` that had to wait: the quick ways through it are compiled into our code, the slow ones lie in its library;
 *   - a continuation that is resumed before its task waits for it.
 * These functions stand in front of those of the libraries, add that order, and nothing else.
 *
 * Source: Swift's stdlib/public/Synchronization/Mutex/LinuxImpl.swift and include/swift/Runtime/Concurrency.h; compiler-rt's
 * sanitizer/tsan_interface.h.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define ASYNC __attribute__((swiftasynccall))
#define SELF __attribute__((swift_context)) void *self
#define NEXT(name) dlsym(RTLD_NEXT, name)

/* All are absent in programs of others that the tests start. */
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);
SWIFT __attribute__((weak)) void *swift_task_getCurrent(void);

static void acquire(void *address) {
  if (__tsan_acquire) __tsan_acquire(address);
}

static void release(void *address) {
  if (__tsan_release) __tsan_release(address);
}

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK_SLOW);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK_SLOW);

SWIFT void lock_slow(uint32_t thread, SELF) {
  ((SWIFT void (*)(uint32_t, SELF))NEXT(LOCK_SLOW))(thread, self);
  acquire(self);
}

SWIFT void unlock_slow(SELF) {
  release(self);
  ((SWIFT void (*)(SELF))NEXT(UNLOCK_SLOW))(self);
}

SWIFT void swift_continuation_resume(void *task) {
  release(task);
  ((SWIFT void (*)(void *))NEXT("swift_continuation_resume"))(task);
}

SWIFT void swift_continuation_throwingResume(void *task) {
  release(task);
  ((SWIFT void (*)(void *))NEXT("swift_continuation_throwingResume"))(task);
}

SWIFT void swift_continuation_throwingResumeWithError(void *task, void *error) {
  release(task);
  ((SWIFT void (*)(void *, void *))NEXT("swift_continuation_throwingResumeWithError"))(task, error);
}

ASYNC void swift_continuation_await(void *context) {
  if (swift_task_getCurrent) acquire(swift_task_getCurrent());
  __attribute__((musttail)) return ((ASYNC void (*)(void *))NEXT("swift_continuation_await"))(context);
}
