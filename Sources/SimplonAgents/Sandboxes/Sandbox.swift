package import Metrics
import SimplonCore
import Subprocess
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs programs confined: no network, no files but their own, limits on everything, and never longer than the lease.
///
/// Each program has a guard, a process of its own that we start and that starts bubblewrap. The guard enforces every
/// limit, so none depends on this process being alive or awake.
package struct Sandbox: Sendable {
  /// How to make sandboxes on this machine.
  package struct Configuration: Sendable {
    /// The guard's program and arguments: our own executable and `__guard`.
    package var guardCommand: [String]
    /// Where the folders of running steps are made; absolute.
    ///
    /// Not on a file system in memory.
    package var folder: String
    /// bubblewrap's path.
    package var bwrap = "/usr/bin/bwrap"
    /// Who tools run as when we are root.
    package var user = SandboxUser.nobody
    /// What each sandbox may use.
    package var limits = SandboxLimits()
    /// How many there may be at once, one user's at most all but one.
    ///
    /// Further steps wait, and their time begins with their turn.
    package var atOnce = 2 * max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))
    /// Counts the sandboxes that were killed; nil for the process's own metrics.
    package var metrics: (any MetricsFactory)?
    /// Whether tools may run with no sandbox where none can be made.
    ///
    /// They can then read whatever their user can.
    package var allowUnsandboxed = false
    /// The control group version to use: 0, 1 or 2; nil for the best there is.
    package var cgroup: Int?

    /// Makes a configuration with defaults for the rest.
    package init(guardCommand: [String], folder: String) {
      self.guardCommand = guardCommand
      self.folder = folder
    }
  }

  /// What was found at start.
  package let level: SandboxLevel
  /// What each sandbox may use.
  package var limits: SandboxLimits { configuration.limits }
  /// Who owns what tools work on; nil when they run as we do.
  var owner: SandboxUser? { geteuid() == 0 ? configuration.user : nil }
  /// Where the folders of running steps are.
  let scratch: ScratchFolder?
  let configuration: Configuration
  /// The places for sandboxes.
  let places: Semaphore

  init(_ configuration: Configuration, level: SandboxLevel, scratch: ScratchFolder?) {
    self.configuration = configuration
    self.level = level
    self.scratch = scratch
    let waiting = Gauge(
      label: "simplon_sandbox_waiting_steps", factory: configuration.metrics ?? MetricsSystem.factory)
    places = Semaphore(configuration.atOnce) { waiting.record($0) }
  }

  /// Runs a program to its end.
  ///
  /// When the task is cancelled, or the lease runs out, the program and all that it started are dead before this throws.
  /// `output` gets what it writes, in order for each stream.
  /// - Throws: `run.stale` when the lease has run out before the start; `tool.unavailable` when it could not be started;
  ///   `server.internal` when the guard died; `CancellationError`.
  func run(
    _ job: SandboxJob, lease: Lease, output: (SandboxStream, [UInt8]) -> Void
  ) async throws -> SandboxExit {
    guard lease.isValid else { throw SimplonError(.runStale, "the worker's lease has run out") }
    guard let program = configuration.guardCommand.first else {
      throw SimplonError(.toolUnavailable, "no guard is configured", retry: .backoff)
    }
    let isBare = level.kind == .unsandboxed
    let start = GuardFrame.start(
      job, bwrap: isBare ? nil : configuration.bwrap, arguments: isBare ? [] : BubblewrapArguments.arguments(limits),
      limits: limits, user: configuration.user, cgroup: UInt64(configuration.cgroup ?? 255), deadline: lease.deadline)
    var options = PlatformOptions()
    // The guard ends the sandbox first and then itself; killed outright it would leave its control group behind.
    options.teardownSequence = [.send(signal: .terminate, allowedDurationToNextStep: .seconds(1))]
    do {
      let result = try await Subprocess.run(
        .path(FilePath(program)),
        arguments: Arguments(
          Array(configuration.guardCommand.dropFirst()) + SandboxGuards.mark(lease, in: configuration.folder)),
        environment: .custom([:] as [Environment.Key: String]), platformOptions: options, input: .inputWriter,
        output: .sequence, error: .discarded
      ) { execution in
        try await Self.attend(execution, start: start, lease: lease, output: output)
      }
      try Task.checkCancellation()
      guard let exit = result.closureResult else {
        countKill("guard_died")
        guard lease.isValid else { throw SimplonError(.runStale, "the worker's lease has run out") }
        throw SimplonError(.serverInternal, "a sandbox's guard died", retry: .backoff)
      }
      guard exit.reason != .failed else {
        throw SimplonError(
          .toolUnavailable, "the sandbox could not be made", hint: "the worker's log says why",
          retry: .backoff, cause: GuardFailure(message: exit.message))
      }
      if exit.reason != .exited { countKill("\(exit.reason)") }
      return exit
    } catch {
      if Task.isCancelled {
        countKill("cancelled")
        throw CancellationError()
      }
      guard error is SubprocessError else { throw error }
      throw SimplonError(.toolUnavailable, "a sandbox's guard could not be run", retry: .backoff, cause: error)
    }
  }

  private func countKill(_ reason: String) {
    Counter(
      label: "simplon_sandbox_kills_total", dimensions: [("reason", reason)],
      factory: configuration.metrics ?? MetricsSystem.factory
    ).increment()
  }

  private static func attend(
    _ execution: Execution<CustomWriteInput, SequenceOutput, DiscardedOutput>, start: [UInt8], lease: Lease,
    output: (SandboxStream, [UInt8]) -> Void
  ) async throws -> SandboxExit? {
    _ = try await execution.standardInputWriter.write(start)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      let writer = execution.standardInputWriter
      group.addTask {
        // Ends with the group. A guard that is gone takes nothing any more; its end shows in what it wrote.
        for await deadline in lease.deadlines() { _ = try? await writer.write(GuardFrame.lease(deadline)) }
      }
      var reader = GuardFrameReader()
      var end: SandboxExit?
      for try await buffer in execution.standardOutput {
        buffer.withUnsafeBytes { reader.add($0) }
        while let frame = try reader.next() {
          switch frame {
          case .output(let stream, let bytes): output(stream, bytes)
          case .exit(let exit): end = exit
          }
        }
      }
      group.cancelAll()
      return end
    }
  }
}

/// The guard's own words on why a sandbox was not made; for the log.
struct GuardFailure: Error {
  let message: String
}
