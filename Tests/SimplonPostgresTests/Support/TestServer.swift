import Glibc
import SimplonCluster
import Synchronization

/// A throwaway PostgreSQL on a Unix socket; it ends, and its folder goes, with this process.
final class TestServer: Sendable {
  /// The one that most tests share.
  static let shared = Task { try await TestServer() }

  let folder: String
  let port: Int
  private let settings: [String]
  private let programs: String
  private let shell = Mutex<Shell?>(nil)

  /// What a shell needs before the name of a program so that it runs as PostgreSQL's user.
  static let runAs = getuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --init-groups --no-new-privs" : ""

  /// Where the programs are, and a fresh cluster that they made: servers get copies.
  private static let template = Task {
    let programs = try await ServerPrograms.find(named: nil, version: nil).folder
    let folder = try newFolder()
    try Shell.run(
      "\(runAs) \(programs)/initdb -D \(folder)/data --auth=trust --no-sync --no-instructions -E UTF8 "
        + "--locale=C.UTF-8 -U postgres >\(folder)/initdb.log 2>&1")
    return (programs: programs, folder: folder)
  }
  private static let lastPort = Mutex(5500)

  /// Starts a server.
  ///
  /// - Parameters:
  ///   - settings: further `name=value` settings.
  ///   - hba: `pg_hba.conf`, if not trust for all.
  ///   - prepare: run with the folder before the start, such as to put certificates there.
  /// - Throws: `dev.postgres_missing`; `ShellError` when a program fails.
  init(settings: [String] = [], hba: String? = nil, prepare: (String) throws -> Void = { _ in }) async throws {
    let template = try await Self.template.value
    let folder = try Self.newFolder()
    self.folder = folder
    self.settings = settings
    self.programs = template.programs
    self.port = Self.lastPort.withLock { port in
      port += 1
      return port
    }
    try Shell.run("\(Self.runAs) cp -a \(template.folder)/data \(folder)/data")
    if let hba { try Shell.run("printf '%s\\n' \"$1\" > \(folder)/data/pg_hba.conf", hba) }
    try prepare("\(folder)/data")
    try start()
  }

  deinit { shell.withLock { $0?.close() } }

  /// A DSN over the Unix socket.
  func dsn(user: String = "postgres", database: String = "postgres") -> String {
    "host=\(folder) port=\(port) user=\(user) dbname=\(database)"
  }

  var postmaster: pid_t {
    get throws {
      guard let file = fopen("\(folder)/data/postmaster.pid", "r") else { throw ShellError(text: "no postmaster.pid") }
      defer { fclose(file) }
      var pid: Int32 = 0
      withUnsafeMutablePointer(to: &pid) { pointer in _ = withVaList([pointer]) { vfscanf(file, "%d", $0) } }
      return pid
    }
  }

  /// Starts it (again) and waits until it answers.
  func start() throws {
    let options =
      (["fsync=off", "listen_addresses=", "unix_socket_directories=\(folder)", "port=\(port)"]
      + ["full_page_writes=off", "synchronous_commit=off", "shared_buffers=32MB", "max_connections=300"] + settings)
      .map { "-c \"\($0)\"" }.joined(separator: " ")
    let script = """
      \(Self.runAs) \(programs)/postgres -D \(folder)/data \(options) >>\(folder)/log 2>&1 &
      read ignored
      kill -QUIT $! 2>/dev/null
      wait
      """
    let shell = try Shell(script)
    self.shell.withLock { $0 = shell }
    // Where the servers are apart from the clients, these are in PATH.
    try Shell.run(
      """
      PATH="\(programs):$PATH"
      for i in $(seq 200); do pg_isready -q -h \(folder) -p \(port) && exit 0; sleep 0.05; done
      tail \(folder)/log
      exit 1
      """)
  }

  /// Kills the postmaster and all its children at once, as a crash of the machine would, and waits until all are gone.
  func crash() throws {
    try signal(SIGKILL)
    shell.withLock { shell in
      shell?.close()
      _ = shell?.wait()
    }
    try Shell.run("while pgrep -f -- '-D $1/data' >/dev/null; do sleep 0.02; done", folder)
  }

  /// Sends a signal, such as SIGSTOP, to the postmaster and all its children.
  func signal(_ signal: Int32) throws {
    try Shell.run("kill -\(signal) $1 $(pgrep -P $1)", "\(try postmaster)")
  }

  /// A folder that the server's user owns and that goes when this process ends.
  static func newFolder() throws -> String {
    var path = Array("/tmp/simplon-test-XXXXXX".utf8CString)
    guard mkdtemp(&path) != nil else { throw ShellError(text: "no folder in /tmp") }
    let folder = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    if getuid() == 0 { try Shell.run("chown postgres:postgres \(folder)") }
    sweeper.withLock { $0.append((folder, try? Shell("read ignored; sleep 1; rm -rf \(folder)"))) }
    return folder
  }

  private static let sweeper = Mutex<[(String, Shell?)]>([])
}
