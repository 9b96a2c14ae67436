import Glibc

/// A shell script that runs beside the test, with a socket as its standard input.
struct Shell: Sendable {
  let pid: pid_t
  private let input: Int32

  /// Starts a script; its standard input ends when `close()` is called or this process dies.
  init(_ script: String, arguments: [String] = []) throws {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw ShellError(text: "no socket")
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    defer { posix_spawn_file_actions_destroy(&actions) }
    // The testing library blocks SIGCHLD, without which a shell's `wait` never ends.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    defer { posix_spawnattr_destroy(&attributes) }
    let words = (["sh", "-c", script, "sh"] + arguments).map { strdup($0) }
    defer { for word in words { free(word) } }
    var pid = pid_t()
    let status = posix_spawn(&pid, "/bin/sh", &actions, &attributes, words + [nil], environ)
    Glibc.close(ends[0])
    guard status == 0 else { throw ShellError(text: "cannot start a shell: \(status)") }
    self.pid = pid
    self.input = ends[1]
  }

  func close() { Glibc.close(input) }

  func wait() -> Int32 {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    return status
  }

  /// Runs a script to its end.
  static func run(_ script: String, _ arguments: String...) throws {
    let shell = try Shell(script, arguments: arguments)
    shell.close()
    guard shell.wait() == 0 else { throw ShellError(text: "failed: \(script) \(arguments)") }
  }
}

struct ShellError: Error {
  let text: String
}
