import Foundation
import Logging
import SimplonCore
import TestSupport
import Testing

@testable import SimplonCluster

@Suite(.timeLimit(.minutes(2))) struct ClusterLifeTests {
  @Test func `a cluster keeps its data and its secrets over a restart`() async throws {
    try await withTestFolder { folder in
      let first = try await Cluster.start(.test(folder), logger: .quiet)
      #expect(!first.adopted)
      try await execute("create table kept as select 7 as n", on: first)
      try await first.stop()
      #expect(!isAlive(first.process))
      let second = try await Cluster.start(.test(folder), logger: .quiet)
      #expect(!second.adopted)
      #expect(second.process != first.process)
      #expect(second.state.passwords == first.state.passwords)
      let kept = try await execute("select n from kept", on: second)
      #expect(kept == ["7"])
      try await second.stop()
      #expect(!isAlive(second.process))
    }
  }

  @Test func `text is ordered by its bytes, and letters are known beyond ASCII`() async throws {
    try await withTestFolder { folder in
      let cluster = try await Cluster.start(.test(folder), logger: .quiet)
      let answer = try await execute(
        "select string_agg(x, ' ' order by x) || ' ' || upper('ä') from unnest(array['ä', 'a', 'B']) x", on: cluster)
      let order = try await execute("select datcollate from pg_database where datname = 'postgres'", on: cluster)
      try await cluster.stop()
      #if os(Linux)
        #expect(answer == ["B a ä Ä"])
      #endif
      #expect(order == ["C"])
    }
  }

  @Test func `a server left by a killed Simplon is adopted`() async throws {
    try await withTestFolder { folder in
      let first = try await Cluster.start(.test(folder), logger: .quiet)
      first.lock.release()  // What the kernel does to a process that is killed.
      let second = try await Cluster.start(.test(folder), logger: .quiet)
      #expect(second.adopted)
      #expect(second.process == first.process)
      try await second.stop()
      #expect(!isAlive(first.process))
    }
  }

  @Test func `a server whose folder was renamed is stopped and started in its new place`() async throws {
    try await withTestFolder { folder in
      var options = ClusterOptions.test("\(folder)/old", port: 0)
      // A server whose folder is gone from its name cannot end in order: what was committed must be on the disk.
      options.durable = true
      let first = try await Cluster.start(options, logger: .quiet)
      try await execute("create table kept as select 7 as n", on: first)
      first.lock.release()
      try FileManager.default.moveItem(atPath: "\(folder)/old", toPath: "\(folder)/new")
      options.folder = "\(folder)/new"
      options.port = first.port
      let second = try await Cluster.start(options, logger: .quiet)
      #expect(!second.adopted)
      #expect(!isAlive(first.process))
      let kept = try await execute("select n from kept", on: second)
      #expect(kept == ["7"])
      try await second.stop()
    }
  }

  @Test func `an adopted server moves to the port that is asked for`() async throws {
    try await withTestFolder { folder in
      let first = try await Cluster.start(.test(folder, port: 0), logger: .quiet)
      first.lock.release()
      let port = try freePort(0, option: "--db-port")
      let second = try await Cluster.start(.test(folder, port: port), logger: .quiet)
      #expect(!second.adopted)
      #expect(second.port == port)
      let answer = try await execute("select 1", on: second, tcp: true)
      #expect(answer == ["1"])
      try await second.stop()
    }
  }

  @Test func `a second Simplon on the same folder is refused and the first works on`() async throws {
    try await withTestFolder { folder in
      let first = try await Cluster.start(.test(folder), logger: .quiet)
      let error = await #expect(throws: SimplonError.self) { try await Cluster.start(.test(folder), logger: .quiet) }
      #expect(error?.code == .devLocked)
      #expect(error?.message.contains("process \(getpid())") == true)
      let answer = try await execute("select 1", on: first)
      #expect(answer == ["1"])
      try await first.stop()
    }
  }

  @Test func `a server that was killed is started again with what it had committed`() async throws {
    try await withTestFolder { folder in
      var options = ClusterOptions.test(folder)
      options.durable = true
      try await Cluster.with(options, logger: .quiet) { cluster in
        try await execute("create table kept as select 7 as n", on: cluster)
        await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await cluster.run() }
          kill(cluster.process, SIGKILL)
          var kept: [String?]?
          while kept == nil, !Task.isCancelled {
            kept = try? await execute("select n from kept", on: cluster)
            await Task.yield()
          }
          #expect(kept == ["7"])
          group.cancelAll()
        }
      }
      #expect(PostmasterFile(dataFolder: "\(folder)/postgres/data") == nil)
    }
  }

  @Test func `a cluster whose making was interrupted is made anew`() async throws {
    try await withTestFolder { folder in
      let half = "\(folder)/postgres/data.new/base"
      try FileManager.default.createDirectory(atPath: half, withIntermediateDirectories: true)
      try Data("15\n".utf8).write(to: URL(filePath: "\(folder)/postgres/data.new/PG_VERSION"))
      let cluster = try await Cluster.start(.test(folder), logger: .quiet)
      let answer = try await execute("select 1", on: cluster)
      #expect(answer == ["1"])
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/postgres/data.new"))
      try await cluster.stop()
    }
  }

  @Test func `a process that got the number of a dead server is left alone`() async throws {
    try await withTestFolder { folder in
      let first = try await Cluster.start(.test(folder), logger: .quiet)
      let pidFile = "\(folder)/postgres/data/postmaster.pid"
      let text = try String(contentsOfFile: pidFile, encoding: .utf8)
      try await first.stop()
      // PostgreSQL respects a process of its own user alone.
      let other = try Process.run(URL(filePath: "/usr/bin/env"), arguments: try ServerUser().command(["sleep", "100"]))
      defer { other.terminate() }
      try Data(text.replacing("\(first.process)\n", with: "\(other.processIdentifier)\n", maxReplacements: 1).utf8)
        .write(to: URL(filePath: pidFile))
      try Data("\(other.processIdentifier)\n".utf8)
        .write(to: URL(filePath: "\(first.socketFolder)/.s.PGSQL.\(first.port).lock"))
      let second = try await Cluster.start(.test(folder), logger: .quiet)
      #expect(!second.adopted)
      try await second.stop()
      #expect(other.isRunning)
    }
  }

  @Test func `the stop is carried out in a cancelled task too`() async throws {
    try await withTestFolder { folder in
      let process = await withTaskGroup(of: Int32?.self) { group in
        group.addTask {
          try? await Cluster.with(.test(folder), logger: .quiet) { cluster in
            withUnsafeCurrentTask { $0?.cancel() }
            return cluster.process
          }
        }
        return await group.next() ?? nil
      }
      let ended = try #require(process)
      #expect(!isAlive(ended))
    }
  }

  @Test func `what is secret is closed to others`() async throws {
    try await withTestFolder { folder in
      let cluster = try await Cluster.start(.test(folder), logger: .quiet)
      for (path, mode) in [
        ("state.json", 0o600), ("postgres", 0o700), ("postgres/data", 0o700), ("postgres/run", 0o700),
      ] {
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(path)")
        #expect(attributes[.posixPermissions] as? Int == mode, "\(path)")
      }
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/postgres/password"))
      try await cluster.stop()
    }
  }
}
