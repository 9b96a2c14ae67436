import SimplonCore
import Subprocess
import SystemPackage

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// One short program, run to its end with a known environment: nothing of ours, and no `PG*` variable, reaches it.
///
/// The shell starts it: it looks a name up without a new process for each folder of `PATH`.
struct ServerCommand {
  private let words: [String]
  private let script: String
  private let programs: ServerPrograms?
  /// Whether it starts in a session of its own, where the terminal's Ctrl-C does not reach.
  var ownSession = false

  /// - Parameters:
  ///   - words: the program's name and its arguments.
  ///   - script: what the shell does with them, if not just that.
  ///   - programs: where its name is looked up first.
  init(_ words: [String], script: String = #"exec "$@""#, programs: ServerPrograms?) {
    self.words = words
    self.script = script
    self.programs = programs
  }

  /// What became of it; texts are cut at 64 KiB.
  struct Outcome {
    var succeeded: Bool
    var output: String
    var complaints: String
  }

  /// Runs it.
  ///
  /// - Throws: `dev.postgres_failed` when it cannot be started.
  func run() async throws -> Outcome {
    let usual = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let folders = [programs?.folder, usual, "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]
    let path = folders.compactMap { $0 }.joined(separator: ":")
    var options = PlatformOptions()
    options.createSession = ownSession
    do {
      let run = try await Subprocess.run(
        .path("/bin/sh"), arguments: Arguments(["-c", script, "sh"] + words),
        environment: .custom(["PATH": path, "LC_ALL": "C", "TZ": "UTC"]), platformOptions: options,
        output: .string(limit: 65536), error: .string(limit: 65536))
      return Outcome(
        succeeded: run.terminationStatus.isSuccess, output: run.standardOutput, complaints: run.standardError)
    } catch let error as SubprocessError {
      throw SimplonError(.devPostgresFailed, "/bin/sh cannot be started", cause: error)
    }
  }
}
