import FoundationEssentials
import SimplonCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Program text, with what it gets.
///
/// Inside, the text and the input are files in `/simplon`, which cannot be written; the work folder is `/work`, where it
/// starts; `HOME` and `/tmp` are its own and go with it.
struct Program: Sendable {
  /// The interpreter with its flags; the text's path comes after them.
  var words: [String]
  /// The text's name in the call folder.
  var fileName: String
  /// The text.
  var text: String
  /// What is at `$SIMPLON_INPUT`.
  var input: JSON
  /// What the caller adds to the environment.
  var environment: [String: String]
}

extension Sandbox {
  /// Waits for a place, makes a folder for one step, and removes it when the work is done, whichever way.
  ///
  /// Users take turns. `onWait` is called when there is no place at once.
  /// - Throws: `CancellationError` while it waits, `tool.unavailable`, `storage.*`, and what the body throws.
  func withFolder<Value>(
    for user: UUID?, onWait: () -> Void = {}, _ body: (_ folder: String) async throws -> Value
  ) async throws -> Value {
    guard let scratch else {
      throw SimplonError(.toolUnavailable, "there is no folder for running steps", retry: .backoff)
    }
    return try await places.withRoom(for: user, onWait: onWait) {
      let folder = try scratch.make()
      do {
        let value = try await body(folder)
        try await offPool { FolderRemoval.remove(folder) }
        return value
      } catch {
        try await offPool { FolderRemoval.remove(folder) }
        throw error
      }
    }
  }

  /// Runs a program on the work folder of a step's folder.
  ///
  /// Throws as ``run(_:lease:output:)`` does, and `storage.full`.
  func run(
    _ program: Program, in folder: String, timeout: Duration, lease: Lease, output: (SandboxStream, [UInt8]) -> Void
  ) async throws -> SandboxExit {
    let owner = owner
    try await offPool {
      for (name, bytes) in [(program.fileName, Array(program.text.utf8)), ("input.json", program.input.utf8)] {
        let path = "\(folder)/call/\(name)"
        let file = try File(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o400, for: "write a step's input")
        try file.write(bytes)
        if let owner, fchown(file.descriptor, owner.uid, owner.gid) != 0 {
          throw SimplonError.storage("give a step its input")
        }
      }
      for name in ["call", "work"] {
        if let owner, lchown("\(folder)/\(name)", owner.uid, owner.gid) != 0 {
          throw SimplonError.storage("give a step its folder")
        }
      }
    }
    let isBare = level.kind == .unsandboxed
    let call = isBare ? "\(folder)/call" : "/simplon"
    var environment = [
      "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "HOME": "/tmp", "TMPDIR": "/tmp",
      // Modules in the work folder can be imported (and nothing beside the program, which is no module); output is seen
      // when it is written; no byte code comes among the files.
      "PYTHONPATH": isBare ? "\(folder)/work" : "/work", "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1",
      "PYTHONDONTWRITEBYTECODE": "1",
    ]
    environment.merge(program.environment) { _, callers in callers }
    environment["SIMPLON_INPUT"] = "\(call)/input.json"
    let job = SandboxJob(
      command: program.words + ["\(call)/\(program.fileName)"], environment: environment, work: "\(folder)/work",
      call: "\(folder)/call", timeout: timeout)
    return try await run(job, lease: lease, output: output)
  }
}
