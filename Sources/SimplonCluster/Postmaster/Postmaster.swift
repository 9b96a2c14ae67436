import SimplonCore

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Starts, finds and stops the server process of one data folder.
///
/// The server is nobody's child: it lives in a session of its own, so Ctrl-C does not reach it, and a kill of ours
/// leaves it in good order for the next start to adopt.
struct Postmaster: Sendable {
  let programs: ServerPrograms
  let user: ServerUser
  let dataFolder: String
  let socketFolder: String
  /// Where its messages go; PostgreSQL's user cannot reach this file except through the descriptor it gets.
  let log: String

  /// The server that works on the folder and takes connections, if any.
  func running() -> PostmasterFile? {
    guard let file = PostmasterFile(dataFolder: dataFolder), file.isReady,
      isListening(socketFolder: file.socketFolder, port: file.port)
    else { return nil }
    return file
  }

  /// Whether a server works on the folder that cannot be reached, as its socket was moved or removed.
  var isCutOff: Bool {
    guard running() == nil, let file = PostmasterFile(dataFolder: dataFolder), file.isReady else { return false }
    return isServer(file)
  }

  /// Starts a server on a port that is free.
  ///
  /// - Parameters:
  ///   - wanted: the port; with 0 any free one, and another one when a program was faster to take it; nil for none.
  ///   - choose: finds a free port.
  ///   - prepare: writes the settings with the port.
  /// - Returns: what the server says of itself.
  /// - Throws: what ``start(port:limit:)`` and the closures throw.
  func start(
    choosing wanted: Int?,
    by choose: (Int) throws(SimplonError) -> Int = { port throws(SimplonError) in
      try freePort(port, option: "--db-port")
    },
    prepare: (Int?) throws(SimplonError) -> Void
  ) async throws -> PostmasterFile {
    var tries = wanted == 0 ? 5 : 1
    while true {
      tries -= 1
      var port: Int?
      if let wanted { port = try choose(wanted) }
      try prepare(port)
      do {
        return try await start(port: port)
      } catch let error as SimplonError where error.code == .devPortTaken && tries > 0 {}
    }
  }

  /// Starts a server, or waits for one that is starting already, until it takes connections.
  ///
  /// - Parameters:
  ///   - port: the port it was told to listen on, for the error.
  ///   - limit: how long a recovery after a crash may take.
  /// - Returns: what the server says of itself.
  /// - Throws: `dev.port_taken`, `storage.full`, `dev.postgres_failed`, or a cancel; then what it started has ended.
  func start(port: Int?, limit: Duration = .seconds(120)) async throws -> PostmasterFile {
    let deadline = ContinuousClock.now + limit
    if logSize > 10 << 20 { rename(log, "\(log).1") }
    while true {
      forgetDeadServer()
      let offset = logSize
      // Unstructured, because a cancel between the server's start and the answer would lose its number.
      let process = try await Task { try await launch() }.value
      do {
        while ContinuousClock.now < deadline {
          if let file = running() { return file }
          if !isAlive(process) { break }
          try await Task.sleep(for: .milliseconds(5))
        }
        let text = logText(from: offset)
        guard ContinuousClock.now < deadline, isPassing(text) else {
          throw SimplonError.server(text, program: "postgres", folder: dataFolder, port: port)
        }
        try await Task.sleep(for: .milliseconds(50))
      } catch {
        // Unstructured, because it must be carried out after a cancel too.
        let ending = Task { try await end(process) }
        try? await ending.value
        throw error
      }
    }
  }

  /// Stops the server: open transactions are rolled back, committed ones are on the disk.
  ///
  /// - Throws: `dev.postgres_failed` when it does not end within a minute.
  func stop() async throws {
    guard let file = PostmasterFile(dataFolder: dataFolder), isServer(file) else { return }
    try await end(file.process)
  }

  /// Stops a server process and waits for its end.
  ///
  /// - Throws: `dev.postgres_failed` when it does not end within a minute.
  /// - Source: PostgreSQL manual, "Shutting Down the Server": SIGINT is the fast shutdown, SIGQUIT the immediate one.
  private func end(_ process: Int32) async throws {
    for signal in [SIGINT, SIGQUIT] {
      for _ in 0..<6000 {
        // Its file goes before it does. A signal is lost on a server that is only just starting, hence again and again.
        guard isAlive(process), kill(process, signal) == 0 else { return }
        try await Task.sleep(for: .milliseconds(5))
      }
    }
    throw SimplonError(.devPostgresFailed, "PostgreSQL (process \(process)) does not stop")
  }

  /// Whether the process of a `postmaster.pid` lives and is that server, and no later owner of the number.
  ///
  /// A server works in its data folder, by whichever name the folder goes since.
  private func isServer(_ file: PostmasterFile) -> Bool {
    guard isAlive(file.process) else { return false }
    #if os(Linux)
      var (theirs, ours) = (stat(), stat())
      if stat("/proc/\(file.process)/cwd", &theirs) == 0, stat(dataFolder, &ours) == 0 {
        return theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino
      }
      // Not ours to see, as for root in a container without CAP_SYS_PTRACE; it was started with the folder's name.
      guard let words = try? Data(contentsOf: URL(filePath: "/proc/\(file.process)/cmdline")) else { return true }
      return words.split(separator: 0).contains { $0.elementsEqual(dataFolder.utf8) }
    #else
      return !file.isReady || isListening(socketFolder: file.socketFolder, port: file.port)
    #endif
  }

  /// Removes what a dead server left and what would keep PostgreSQL from starting when another program has its number by
  /// now, as after a restart of the machine.
  private func forgetDeadServer() {
    if let file = PostmasterFile(dataFolder: dataFolder) {
      if isServer(file) { return }
      // Else it helps PostgreSQL to find sessions of the dead server that have not ended yet.
      if isAlive(file.process) { unlink("\(dataFolder)/postmaster.pid") }
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: socketFolder)) ?? []
    for name in names where name.hasPrefix(".s.PGSQL.") { unlink("\(socketFolder)/\(name)") }
  }

  /// Runs the server in the background and answers its process id.
  private func launch() async throws -> Int32 {
    let words = user.command(["\(programs.folder)/postgres", "-D", dataFolder])
    let script = #"umask 077; log="$1"; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!"#
    var command = ServerCommand([log] + words, script: script, programs: programs)
    command.ownSession = true
    let outcome = try await command.run()
    guard outcome.succeeded, let process = Int32(outcome.output.filter(\.isNumber)) else {
      throw SimplonError.server(outcome.complaints, program: "sh", folder: dataFolder, port: nil)
    }
    return process
  }

  /// Whether a failed start may succeed in a moment: sessions of a killed server are still ending, or another start
  /// was faster.
  ///
  /// - Source: PostgreSQL, src/backend/utils/init/miscinit.c and src/backend/port/sysv_shmem.c.
  private func isPassing(_ text: String) -> Bool {
    text.contains("pre-existing shared memory block")
      || (text.contains("lock file \"postmaster.pid\"") && !text.contains("No space left"))
  }

  private var logSize: UInt64 {
    var status = stat()
    return stat(log, &status) == 0 ? UInt64(max(0, status.st_size)) : 0
  }

  private func logText(from offset: UInt64) -> String {
    guard let handle = fopen(log, "re") else { return "" }
    defer { fclose(handle) }
    guard fseek(handle, Int(clamping: offset), SEEK_SET) == 0 else { return "" }
    var bytes = [UInt8](repeating: 0, count: 65536)
    let count = fread(&bytes, 1, bytes.count, handle)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}

/// Whether a process lives; one that has ended and waits for its parent does not.
///
/// Not being able to look, as where no more files can be opened, is no sign of its end.
func isAlive(_ process: Int32) -> Bool {
  // Where we are process 1 of a container, an orphaned server becomes our child. Elsewhere a child of that number is
  // another's to wait for.
  if getpid() == 1 { waitpid(process, nil, WNOHANG) }
  func exists() -> Bool { kill(process, 0) == 0 || errno == EPERM }
  guard exists() else { return false }
  #if os(Linux)
    guard let data = try? Data(contentsOf: URL(filePath: "/proc/\(process)/stat")) else { return exists() }
    // "123 (name) S …", where the name may hold anything.
    let afterName = data[(data.lastIndex(of: UInt8(ascii: ")")) ?? data.startIndex)...].dropFirst(2)
    return afterName.first != UInt8(ascii: "Z")
  #else
    return true
  #endif
}
