import Foundation
import Logging
import SimplonCore
import TestSupport
import Testing

@testable import SimplonCluster

@Suite(.timeLimit(.minutes(2))) struct ClusterStateTests {
  @Test func `what a newer binary wrote into the state stays there`() async throws {
    try await withTestFolder { folder in
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      var generator = SystemRandomNumberGenerator()
      try ClusterState(using: &generator).write(to: folder)
      try change(folder) { members in
        members["added_later"] = ["a": [1, nil]]
        let passwords = members["passwords"]?.object ?? [:]
        members["passwords"] = .object(passwords.merging(["simplon_later": "secret"]) { $1 })
      }
      let later = try read(folder)
      var state = try #require(try ClusterState.read(from: folder))
      state.port = 54322
      state.notes["api_url"] = "http://127.0.0.1:1"
      try state.write(to: folder)
      var expected = later
      expected["port"] = 54322
      expected["notes"] = ["api_url": "http://127.0.0.1:1"]
      #expect(try read(folder) == expected)
    }
  }

  @Test func `a folder keeps its data and its secrets when another binary worked with it`() async throws {
    try await withTestFolder { folder in
      let first = try await Cluster.start(.test(folder), logger: .quiet)
      try await execute("create table kept as select 7 as n", on: first)
      try await first.stop()
      // What that binary left: a state with more in it, and settings of its own that this server does not know.
      try change(folder) { $0["added_later"] = "x" }
      let settings = FileHandle(forWritingAtPath: "\(folder)/postgres/data/postgresql.conf")
      try settings?.seekToEnd()
      try settings?.write(contentsOf: Data("added_later = on\n".utf8))
      try settings?.close()
      let second = try await Cluster.start(.test(folder), logger: .quiet)
      let kept = try await execute("select n from kept", on: second)
      #expect(kept == ["7"])
      #expect(second.state.passwords == first.state.passwords)
      #expect(second.state.jwtSecret == first.state.jwtSecret)
      try await second.stop()
      #expect(try read(folder)["added_later"] == "x")
    }
  }

  @Test func `a lost state is not made anew while there is a cluster`() async throws {
    try await withTestFolder { folder in
      let first = try await Cluster.start(.test(folder), logger: .quiet)
      try await first.stop()
      try FileManager.default.moveItem(atPath: "\(folder)/state.json", toPath: "\(folder)/copy")
      let error = await #expect(throws: SimplonError.self) { try await Cluster.start(.test(folder), logger: .quiet) }
      #expect(error?.code == .devPostgresFailed)
      #expect(error?.message.contains("state.json") == true)
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/state.json"))
      try FileManager.default.moveItem(atPath: "\(folder)/copy", toPath: "\(folder)/state.json")
      let second = try await Cluster.start(.test(folder), logger: .quiet)
      #expect(second.state.passwords == first.state.passwords)
      try await second.stop()
    }
  }

  private func read(_ folder: String) throws -> [String: JSON] {
    try #require(try JSON(parsing: String(contentsOfFile: "\(folder)/state.json", encoding: .utf8)).object)
  }

  private func change(_ folder: String, _ body: (inout [String: JSON]) -> Void) throws {
    var members = try read(folder)
    body(&members)
    try Data(JSON.object(members).text.utf8).write(to: URL(filePath: "\(folder)/state.json"))
  }
}
