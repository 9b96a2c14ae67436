package import Logging
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension Sandbox {
  /// Finds out by a real run how well tools can be confined here, and gives the sandbox that does it.
  ///
  /// Where none can be made, the one that is given refuses programs, unless the configuration allows them to run
  /// without; that is logged as an error, at every start.
  package static func probe(_ configuration: Configuration, logger: Logger) async -> Sandbox {
    // A write to a guard that died must fail as a write and not end the process.
    signal(SIGPIPE, SIG_IGN)
    let scratch: ScratchFolder
    do {
      scratch = try ScratchFolder(in: configuration.folder)
    } catch {
      logger.error("no folder for running steps", metadata: ["error": "\(String(reflecting: error))"])
      return Sandbox(configuration, level: SandboxLevel(kind: .none, reason: error.message), scratch: nil)
    }
    var reason = "bubblewrap (\(configuration.bwrap)) is not installed"
    if isBelowSystem(configuration.folder) {
      reason = "the data folder lies in /usr, which every program can read"
      logger.error("sandbox is not used", metadata: ["reason": "\(reason)"])
    } else if access(configuration.bwrap, X_OK) == 0 {
      switch await trial(configuration, .rlimits, script, scratch) {
      case .success(let exit):
        let kind: SandboxLevel.Kind = exit.cgroup == 2 ? .cgroup2 : exit.cgroup == 1 ? .cgroup1 : .rlimits
        var pinned = configuration
        pinned.cgroup = exit.cgroup
        let level = SandboxLevel(kind: kind, reason: why(kind))
        logger.info("sandbox works", metadata: ["level": "\(kind.rawValue)"])
        return Sandbox(pinned, level: level, scratch: scratch)
      case .failure(let failure):
        reason = failure.message
        logger.error("sandbox does not work", metadata: ["reason": "\(reason)"])
      }
    }
    if configuration.allowUnsandboxed,
      case .success(let exit) = await trial(configuration, .unsandboxed, "echo ok", scratch)
    {
      logger.error("TOOLS RUN WITH NO SANDBOX, as the configuration allows it", metadata: ["reason": "\(reason)"])
      var pinned = configuration
      pinned.cgroup = exit.cgroup
      return Sandbox(pinned, level: SandboxLevel(kind: .unsandboxed, reason: reason), scratch: scratch)
    }
    return Sandbox(configuration, level: SandboxLevel(kind: .none, reason: reason), scratch: scratch)
  }

  private static func isBelowSystem(_ folder: String) -> Bool {
    guard let real = realpath(folder, nil) else { return true }
    defer { free(real) }
    return String(cString: real).hasPrefix("/usr/")
  }

  private static func why(_ kind: SandboxLevel.Kind) -> String? {
    switch kind {
    case .cgroup1: "limits are by control group version 1"
    case .rlimits: "no control group can be made here, so memory is limited per process only"
    default: nil
    }
  }

  /// What must hold inside: nobody's user id, an empty environment of process 1, no descriptor but the three and the one
  /// that lists them, no network but loopback, a writable work folder, an input that can be read and not written.
  private static let script = """
    set -eu
    fail() { echo "$1"; exit 1; }
    [ "$(id -u)" = 65534 ] || fail 'the user is not nobody'
    [ "$(wc -c </proc/1/environ)" = 0 ] || fail 'an environment can be read'
    [ "$(ls /proc/self/fd | wc -l)" -le 4 ] || fail 'a descriptor was passed on'
    [ "$(grep -c : /proc/net/dev)" = 1 ] || fail 'there is a network'
    grep -q '^Seccomp:.2' /proc/self/status || fail 'there is no system call filter'
    : >/work/probe || fail 'the work folder is closed'
    [ "$(cat "$SIMPLON_INPUT")" = null ] || fail 'the input cannot be read'
    ! (: >"$SIMPLON_INPUT") 2>/dev/null || fail 'the input can be written'
    echo ok
    """

  private static func trial(
    _ configuration: Configuration, _ kind: SandboxLevel.Kind, _ script: String, _ scratch: ScratchFolder
  ) async -> Result<SandboxExit, GuardFailure> {
    let sandbox = Sandbox(configuration, level: SandboxLevel(kind: kind, reason: nil), scratch: scratch)
    let lease = Lease()
    lease.extend(by: .seconds(60), from: Lease.now())
    var text = [UInt8]()
    do {
      let exit = try await sandbox.withFolder(for: nil) { folder in
        let program = Program(words: ["/bin/sh"], fileName: "program.sh", text: script, input: .null, environment: [:])
        return try await sandbox.run(program, in: folder, timeout: .seconds(30), lease: lease) { text += $1 }
      }
      let said = String(decoding: text.prefix(512), as: UTF8.self).trimmingPrefix { $0.isWhitespace }
      if exit.reason == .exited, exit.code == 0, said.hasPrefix("ok") { return .success(exit) }
      return .failure(GuardFailure(message: "the trial run failed: \(said) \(exit.message)"))
    } catch let error as SimplonError {
      let below = (error.cause as? GuardFailure).map { ": \($0.message)" } ?? ""
      let said = String(decoding: text.prefix(512), as: UTF8.self)
      return .failure(GuardFailure(message: "\(error.message)\(below) \(said)"))
    } catch {
      return .failure(GuardFailure(message: "the trial run was interrupted"))
    }
  }
}
