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

/// The folder of this test process, which PostgreSQL's user can reach.
///
/// When the process is gone, however it ended, every server below the folder is killed and the folder is removed.
package enum TestFolder {
  /// The folder's path, short enough for sockets.
  package static var root: String { get throws { try made.get() } }

  private static let made = Result {
    let path = "/tmp/simplon-test-\(getpid())-\(UInt16.random(in: .min ... .max))"
    guard mkdir(path, 0o755) == 0 else { throw TestSQLFailure(text: "the folder \(path) cannot be made") }
    try startWatchdog(path)
    return path
  }

  /// Starts a process that waits until ours is gone and then cleans up.
  private static func startWatchdog(_ folder: String) throws {
    var ends: [CInt] = [0, 0]
    guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
      throw TestSQLFailure(text: "no pipe")
    }
    // Deaf to Ctrl-C, which ends the tests and not the one who cleans up after them.
    let script = """
      trap '' INT HUP TERM
      cat >/dev/null
      for file in $(find -L "$0" -name postmaster.pid 2>/dev/null); do
        process=$(head -n 1 "$file") && kill -QUIT "$process" 2>/dev/null
        while [ -e "$file" ] && kill -0 "$process" 2>/dev/null; do sleep 0.1; done
      done
      umount "$0"/* 2>/dev/null
      rm -rf "$0"
      """
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    let words: [String] = ["/bin/sh", "-c", script, folder]
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process: pid_t = 0
    guard posix_spawn(&process, "/bin/sh", &actions, nil, &arguments, environ) == 0 else {
      throw TestSQLFailure(text: "no watchdog")
    }
    close(ends[0])
    // ends[1] stays open for the life of this process: its end is what the watchdog waits for.
  }
}

/// Gives the body the path of a folder of its own, not made yet, and removes the folder afterwards.
package func withTestFolder<R>(_ body: (String) async throws -> R) async throws -> R {
  let folder = "\(try TestFolder.root)/\(UInt32.random(in: .min ... .max))"
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try await body(folder)
}
