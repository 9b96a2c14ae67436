import SimplonCore
import Subprocess

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// One short program, run to its end with a known environment: nothing of ours, and no `PG*` variable, reaches it.
struct ServerCommand {
  private let words: [String]
  private let programs: ServerPrograms?
  /// Whether it starts in a session of its own, where the terminal's Ctrl-C does not reach.
  var ownSession = false

  /// - Parameters:
  ///   - words: the program's name and its arguments.
  ///   - programs: where its name is looked up first.
  init(_ words: [String], programs: ServerPrograms?) {
    self.words = words
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
    let name = words.first ?? ""
    let usual = ProcessInfo.processInfo.environment["PATH"] ?? ""
    let folders = [programs?.folder, usual, "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]
    let path = folders.compactMap { $0 }.joined(separator: ":")
    var options = PlatformOptions()
    options.createSession = ownSession
    do {
      let run = try await Subprocess.run(
        .name(name), arguments: Arguments(Array(words.dropFirst())),
        environment: .custom(["PATH": path, "LC_ALL": "C", "TZ": "UTC"]), platformOptions: options,
        output: .string(limit: 65536), error: .string(limit: 65536))
      return Outcome(
        succeeded: run.terminationStatus.isSuccess, output: run.standardOutput, complaints: run.standardError)
    } catch let error as SubprocessError {
      throw SimplonError(.devPostgresFailed, "\(name) cannot be started", hint: "Is \(name) installed?", cause: error)
    }
  }
}
