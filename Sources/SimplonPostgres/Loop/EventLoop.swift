import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One thread that waits for all sockets, and is the executor of the actor that owns them.
///
/// Callers leave commands in a locked inbox instead of hopping to the actor, and the loop takes them in batches; only a
/// sleeping loop costs a system call to wake.
final class EventLoop<Command: Sendable>: SerialExecutor {
  private struct Inbox {
    var commands = [Command]()
    var jobs = [UnownedJob]()
    var isAsleep = false
    var thread: pthread_t?
  }

  let poller = Poller()
  private let inbox = Mutex(Inbox())

  /// Starts the thread; `turn` runs there again and again until it returns nil.
  ///
  /// - Parameter turn: takes the new commands (empties the array) and the ready sockets; returns how long to wait for
  ///   the next ones at most, in milliseconds.
  func start(_ turn: @escaping @Sendable (inout [Command], [Readiness]) -> Int32?) {
    let isStarted = startThread { [self] in
      inbox.withLock { $0.thread = pthread_self() }
      var commands = [Command]()
      var jobs = [UnownedJob]()
      var ready = [Readiness]()
      var wait: Int32 = 0
      while true {
        let mayWait = inbox.withLock { inbox in
          inbox.isAsleep = inbox.commands.isEmpty && inbox.jobs.isEmpty
          return inbox.isAsleep
        }
        poller.wait(milliseconds: mayWait ? wait : 0, into: &ready)
        inbox.withLock { inbox in
          inbox.isAsleep = false
          swap(&inbox.commands, &commands)
          swap(&inbox.jobs, &jobs)
        }
        for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
        jobs.removeAll(keepingCapacity: true)
        guard let next = turn(&commands, ready) else { return }
        wait = next
      }
    }
    precondition(isStarted, "the system gives this process no thread to begin with")
  }

  /// Leaves a command for the next turn; from any thread.
  func post(_ command: Command) {
    let mustWake = inbox.withLock { inbox in
      inbox.commands.append(command)
      defer { inbox.isAsleep = false }
      return inbox.isAsleep
    }
    if mustWake { poller.wake() }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let mustWake = inbox.withLock { inbox in
      inbox.jobs.append(job)
      defer { inbox.isAsleep = false }
      return inbox.isAsleep
    }
    if mustWake { poller.wake() }
  }

  func isIsolatingCurrentContext() -> Bool? { isOnThread }

  func checkIsolated() { precondition(isOnThread, "this must run on the event loop") }

  private var isOnThread: Bool {
    inbox.withLock { inbox in inbox.thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
  }
}
