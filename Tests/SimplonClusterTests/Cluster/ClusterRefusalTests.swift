import Foundation
import Logging
import SimplonCore
import TestSupport
import Testing

@testable import SimplonCluster

@Suite(.timeLimit(.minutes(2))) struct ClusterRefusalTests {
  @Test func `a machine without PostgreSQL gets the commands that install it`() async throws {
    try await withTestFolder { folder in
      var options = ClusterOptions.test(folder)
      options.places = ServerPrograms.Places(patterns: ["/nowhere/*/bin"], path: ["/nowhere/bin"])
      let error = await refusal(options)
      #expect(error?.code == .devPostgresMissing)
      for words in ["apt-get install postgresql", "dnf install postgresql-server", "brew install postgresql"] {
        #expect(error?.hint?.contains(words) == true)
      }
    }
  }

  @Test func `a version before 15 is not taken and the newest one wins`() async throws {
    try await withTestFolder { folder in
      for version in ["9.6", "14", "15", "17", "99rc"] {
        try makePrograms("\(folder)/\(version)/bin", version: version)
      }
      let places = ServerPrograms.Places(patterns: ["\(folder)/*/bin"], path: [])
      let newest = try await ServerPrograms.find(named: nil, version: nil, in: places)
      #expect(newest == (await ServerPrograms(at: "\(folder)/17/bin")))
      let kept = try await ServerPrograms.find(named: nil, version: 15, in: places)
      #expect(kept.version == 15)
      let old = ServerPrograms.Places(patterns: ["\(folder)/14*/bin"], path: ["\(folder)/14/bin"])
      let error = await #expect(throws: SimplonError.self) {
        try await ServerPrograms.find(named: nil, version: nil, in: old)
      }
      #expect(error?.code == .devPostgresMissing)
    }
  }

  @Test func `a cluster stays with the version that made it`() async throws {
    try await withTestFolder { folder in
      let cluster = try await Cluster.start(.test(folder), logger: .quiet)
      try await cluster.stop()
      var options = ClusterOptions.test(folder)
      // A newer version has come and the old one is gone.
      try makePrograms("\(folder)/new/99/bin", version: "99.1")
      options.programs = "\(folder)/new/99/bin"
      let error = await refusal(options)
      #expect(error?.code == .devPostgresMissing)
      #expect(error?.message.contains("PostgreSQL \(cluster.version), which made this data folder") == true)
      // Without naming one, the old one is found again.
      options.programs = nil
      options.places.patterns.insert("\(folder)/new/*/bin", at: 0)
      let again = try await Cluster.start(options, logger: .quiet)
      #expect(again.version == cluster.version)
      try await again.stop()
    }
  }

  @Test func `a port in use is named with the option that changes it`() async throws {
    try await withTestFolder { folder in
      try await withTakenPort { port in
        let error = await refusal(.test(folder, port: port))
        #expect(error?.code == .devPortTaken)
        #expect(error?.message.contains("\(port)") == true)
        #expect(error?.hint?.contains("--db-port") == true)
      }
    }
  }

  @Test func `a port taken after the check is still named, and where any will do another is tried`() async throws {
    try await withTestFolder { folder in
      let cluster = try await Cluster.start(.test(folder), logger: .quiet)
      try await cluster.stop()
      let home = ClusterHome(path: "\(folder)/postgres")
      func write(_ port: Int?) throws(SimplonError) {
        try home.write(
          ClusterSettings(port: port, socketFolder: "\(folder)/postgres/run", durable: false), user: try ServerUser())
      }
      try await withTakenPort { taken in
        let error = await #expect(throws: SimplonError.self) {
          try await cluster.postmaster.start(choosing: taken, by: { port in port }, prepare: write)
        }
        #expect(error?.code == .devPortTaken)
        let free = try freePort(0, option: "--db-port")
        var ports = [taken, free]
        let server = try await cluster.postmaster.start(choosing: 0, by: { _ in ports.removeFirst() }, prepare: write)
        #expect(server.port == free)
        try await cluster.postmaster.stop()
      }
    }
  }

  @Test(arguments: [
    ("FATAL:  could not write to file: No space left on device", SimplonError.Code.storageFull),
    ("initdb: error: could not create directory: Disk quota exceeded", .storageFull),
    ("LOG:  could not bind IPv4 address: Address already in use", .devPortTaken),
    ("FATAL:  data directory has wrong ownership", .devPostgresFailed), ("", .devPostgresFailed),
  ])
  func `what a server's program wrote becomes a code`(log: String, code: SimplonError.Code) {
    #expect(SimplonError.server(log, program: "postgres", folder: "f", port: 1).code == code)
  }

  @Test func `a start that is refused writes nothing into the folder of another`() async throws {
    try await withTestFolder { folder in
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let lock = try FolderLock(folder)
      let error = await refusal(.test(folder))
      #expect(error?.code == .devLocked)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["lock"])
      lock.release()
    }
  }

  /// Needs a small disk of its own, which only root can mount.
  @Test(.enabled(if: geteuid() == 0, "needs root to mount a small disk"), arguments: [8, 30])
  func `a full disk is called by its name and leaves no half-made cluster`(megabytes: Int) async throws {
    try await withTestFolder { folder in
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try #require(mount("tmpfs", folder, "tmpfs", 0, "size=\(megabytes)m,mode=755") == 0)
      defer { umount(folder) }
      let error = await refusal(.test(folder))
      #expect(error?.code == .storageFull, "\(String(describing: error))")
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/postgres/data"))
      let names = try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/postgres")
      #expect(names?.contains { $0.hasSuffix(".new") } != true)
    }
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to mount a small disk"))
  func `a disk that fills up later stops the start with its name`() async throws {
    try await withTestFolder { folder in
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try #require(mount("tmpfs", folder, "tmpfs", 0, "size=120m,mode=755") == 0)
      defer { umount(folder) }
      let cluster = try await Cluster.start(.test(folder), logger: .quiet)
      try await cluster.stop()
      let filler = fopen("\(folder)/filler", "w")
      let block = [UInt8](repeating: 1, count: 1 << 16)
      while fwrite(block, 1, block.count, filler) == block.count {}
      while fwrite(block, 1, 1, filler) == 1, fflush(filler) == 0 {}
      fclose(filler)
      let error = await refusal(.test(folder))
      #expect(error?.code == .storageFull, "\(String(describing: error))")
      unlink("\(folder)/filler")
      let again = try await Cluster.start(.test(folder), logger: .quiet)
      try await again.stop()
    }
  }

  @Test func `a state file that is not ours to read is named`() async throws {
    try await withTestFolder { folder in
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Data("{\"id\":".utf8).write(to: URL(filePath: "\(folder)/state.json"))
      let error = await refusal(.test(folder))
      #expect(error?.code == .devPostgresFailed)
      #expect(error?.message.contains("state.json") == true)
    }
  }

  /// Root's home is closed to the user that PostgreSQL runs as.
  @Test(.enabled(if: geteuid() == 0, "needs root, whose folders PostgreSQL's user cannot pass"))
  func `a folder that PostgreSQL cannot reach holds a link to one that it can`() async throws {
    try await withTestFolder { folder in
      try FileManager.default.createDirectory(
        atPath: "\(folder)/closed", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let cluster = try await Cluster.start(.test("\(folder)/closed/data"), logger: .quiet)
      let link = try FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/closed/data/postgres")
      defer { try? FileManager.default.removeItem(atPath: link) }
      #expect(link == "/var/lib/simplon/\(cluster.state.id)")
      try await execute("create table kept as select 7 as n", on: cluster)
      try await cluster.stop()
      let again = try await Cluster.start(.test("\(folder)/closed/data"), logger: .quiet)
      let kept = try await execute("select n from kept", on: again)
      #expect(kept == ["7"])
      try await again.stop()
    }
  }

  @Test func `a path that a connection string cannot hold still works`() async throws {
    try await withTestFolder { folder in
      for name in ["it's", "a,b", #"a\b"#] {
        let cluster = try await Cluster.start(.test("\(folder)/\(name)"), logger: .quiet)
        let answer = try? await execute("select 1", on: cluster)
        #expect(answer == ["1"], "\(name)")
        try await cluster.stop()
        rmdir(cluster.socketFolder)
      }
      let error = await refusal(.test("\(folder)/new\nline"))
      #expect(error?.code == .configInvalid)
    }
  }

  @Test func `a path too long for a socket still works`() async throws {
    try await withTestFolder { folder in
      let long = folder + "/" + String(repeating: "long-name-", count: 10)
      let cluster = try await Cluster.start(.test(long), logger: .quiet)
      #expect(cluster.socketFolder.utf8.count < 107 - 20)
      let answer = try await execute("select 1", on: cluster)
      #expect(answer == ["1"])
      try await cluster.stop()
      rmdir(cluster.socketFolder)
    }
  }

  private func refusal(_ options: ClusterOptions) async -> SimplonError? {
    await #expect(throws: SimplonError.self) {
      let cluster = try await Cluster.start(options, logger: .quiet)
      try await cluster.stop()
    }
  }

  /// Programs that do nothing but say their version.
  private func makePrograms(_ folder: String, version: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    // Written by another process: a program that some fork of ours has open for writing cannot be executed.
    let script = """
      printf '#!/bin/sh\necho "postgres (PostgreSQL) \(version)"\n' | tee "$0/postgres" >"$0/initdb"; chmod 755 "$0"/*
      """
    let writer = try Process.run(URL(filePath: "/bin/sh"), arguments: ["-c", script, folder])
    writer.waitUntilExit()
  }

  /// Listens on a port while the body runs.
  private func withTakenPort(_ body: (Int) async throws -> Void) async throws {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(descriptor, $0, length)
        _ = getsockname(descriptor, $0, &length)
      }
    }
    #expect(listen(descriptor, 1) == 0)
    try await body(Int(UInt16(bigEndian: address.sin_port)))
  }
}
