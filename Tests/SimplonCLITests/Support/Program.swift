import Foundation
import SimplonCore
import Subprocess
import SystemPackage

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The real program as a child process; it lies beside the tests.
struct Program: Sendable {
  /// How it ended.
  struct End {
    let code: Int32
    let out: String
    let errors: String

    /// Each line of its standard output as JSON; null for what is none.
    var lines: [JSON] { out.split(separator: "\n").map { (try? JSON(parsing: $0.utf8)) ?? .null } }
    /// The last line of its standard error as JSON.
    var error: JSON { errors.split(separator: "\n").last.flatMap { try? JSON(parsing: $0.utf8) } ?? .null }
  }

  /// A child while it runs.
  struct Child: Sendable {
    let process: pid_t
    fileprivate let out: String

    func signal(_ number: CInt) { kill(process, number) }

    /// The first line of its standard output.
    func line() async throws -> JSON {
      while true {
        let text = (try? String(contentsOfFile: out, encoding: .utf8)) ?? ""
        if let end = text.firstIndex(of: "\n") { return try JSON(parsing: text[..<end].utf8) }
        try await Task.sleep(for: .milliseconds(10))
      }
    }
  }

  /// Where it is started.
  let folder: String
  var environment: [String: String] = [:]

  /// Runs it to its end, and does something meanwhile.
  @discardableResult
  func run(_ words: String..., during body: @Sendable (Child) async throws -> Void = { _ in }) async throws -> End {
    try await run(words, during: body)
  }

  /// Runs it to its end, and does something meanwhile.
  @discardableResult
  func run(_ words: [String], during body: @Sendable (Child) async throws -> Void = { _ in }) async throws -> End {
    let name = "\(folder)/\(UInt32.random(in: .min ... .max))"
    let files = try ["out", "errors"].map { ending in
      try FileDescriptor.open(
        FilePath("\(name).\(ending)"), .writeOnly, options: [.create], permissions: .ownerReadWrite)
    }
    var values: [Subprocess.Environment.Key: String] = ["PATH": "/usr/bin:/bin"]
    // `scripts/test --tsan` needs it in every program that is built for the sanitizer.
    values["LD_PRELOAD"] = ProcessInfo.processInfo.environment["LD_PRELOAD"]
    for (key, value) in environment { values[Subprocess.Environment.Key(stringLiteral: key)] = value }
    let result = try await Subprocess.run(
      .path(FilePath(Self.path)), arguments: Arguments(words), environment: .custom(values),
      workingDirectory: FilePath(folder), input: .none,
      output: .fileDescriptor(files[0], closeAfterSpawningProcess: true),
      error: .fileDescriptor(files[1], closeAfterSpawningProcess: true)
    ) { execution in
      try await body(Child(process: execution.processIdentifier.value, out: "\(name).out"))
    }
    guard case .exited(let code) = result.terminationStatus else {
      throw SimplonError(.serverInternal, "the program ended by a signal: \(result.terminationStatus)")
    }
    return End(
      code: code, out: try String(contentsOfFile: "\(name).out", encoding: .utf8),
      errors: try String(contentsOfFile: "\(name).errors", encoding: .utf8))
  }

  private static let path: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(filePath: own).deletingLastPathComponent().appending(path: "simplon").path
  }()
}

/// Waits until something holds; the suite's time limit ends it.
func until(_ holds: () throws -> Bool) async throws {
  while try !holds() { try await Task.sleep(for: .milliseconds(10)) }
}
