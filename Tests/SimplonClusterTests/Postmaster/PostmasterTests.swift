import Foundation
import Logging
import TestSupport
import Testing

@testable import SimplonCluster

@Suite(.timeLimit(.minutes(2))) struct PostmasterTests {
  @Test func `a start that is cancelled leaves no server behind`() async throws {
    try await withTestFolder { folder in
      try await Cluster.with(.test(folder), logger: .quiet) { _ in }
      let data = "\(folder)/postgres/data"
      // A recovery that waits for ever: the server runs and takes no connections.
      try Data("restore_command = 'sleep 1000'\n".utf8).write(to: URL(filePath: "\(data)/postgresql.auto.conf"))
      try Data().write(to: URL(filePath: "\(data)/recovery.signal"))
      let process = await withTaskGroup { group in
        group.addTask {
          await #expect(throws: CancellationError.self) { try await Cluster.start(.test(folder), logger: .quiet) }
        }
        var file: PostmasterFile?
        while file == nil, !Task.isCancelled {
          file = PostmasterFile(dataFolder: data)
          await Task.yield()
        }
        group.cancelAll()
        return file?.process
      }
      let ended = try #require(process)
      #expect(!isAlive(ended))
      #expect(PostmasterFile(dataFolder: data) == nil)
    }
  }

  @Test func `a process that nothing can look at, as no more files can be opened, lives`() {
    let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    getrlimit(kind, &limit)
    var none = rlimit(rlim_cur: 0, rlim_max: limit.rlim_max)
    setrlimit(kind, &none)
    let lives = isAlive(getpid())
    setrlimit(kind, &limit)
    #expect(lives)
  }

  @Test func `asking whether a process lives takes no child's end from its parent`() throws {
    var process: pid_t = 0
    var arguments = [strdup("true"), nil]
    defer { for argument in arguments { free(argument) } }
    try #require(posix_spawnp(&process, "true", nil, nil, &arguments, environ) == 0)
    var end = siginfo_t()
    try #require(waitid(P_PID, id_t(process), &end, WEXITED | WNOWAIT) == 0)
    #expect(!isAlive(process))
    #expect(waitpid(process, nil, 0) == process)
  }
}
