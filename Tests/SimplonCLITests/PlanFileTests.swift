import Foundation
import SimplonCore
import TestSupport
import Testing

@testable import simplon

/// Plans as `simplon run` sends them.
@Suite struct PlanFileTests {
  private func withPlan(_ steps: String, _ body: (String, String) throws -> Void) async throws {
    try await withTestFolder { folder in
      for name in ["one", "two"] {
        try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
      }
      try "steps:\n\(steps)".write(toFile: "\(folder)/plan.yaml", atomically: true, encoding: .utf8)
      try body("\(folder)/plan.yaml", folder)
    }
  }

  @Test func `a file is attached byte for byte`() async throws {
    try await withPlan("  - { id: a, tool: noop }") { plan, folder in
      let bytes = Data([0xEF, 0xBB, 0xBF, 0x00, 0xFF]) + Data("v=${{ secrets.X }}\r\n".utf8)
      try bytes.write(to: URL(filePath: "\(folder)/one/x"))
      let steps = try #require(try PlanFile(plan, attaching: ["\(folder)/one/x"]).json["steps"]?.array)
      #expect(steps[0]["with"]?["path"] == "x" && steps[0]["with"]?["encoding"] == "base64")
      let content = try #require(steps[0]["with"]?["content"]?.string)
      #expect(Data(base64Encoded: content) == bytes)
      #expect(steps[1]["needs"] == ["attach-1"])
    }
  }

  @Test func `attached files leave the plan its own names`() async throws {
    try await withPlan("  - { id: attach-1, tool: noop }") { plan, folder in
      for name in ["x", "y"] { try Data().write(to: URL(filePath: "\(folder)/one/\(name)")) }
      let json = try PlanFile(plan, attaching: ["\(folder)/one/x", "\(folder)/one/y"]).json
      #expect(json["steps"]?.array?.compactMap { $0["id"]?.string } == ["attach-2", "attach-3", "attach-1"])
    }
  }

  @Test func `a step waits for attached files unless it waits for a step that does`() async throws {
    try await withPlan("  - { id: a, tool: noop, needs: [] }\n  - { id: b, tool: noop, needs: [a] }") { plan, folder in
      for name in ["x", "y"] { try Data().write(to: URL(filePath: "\(folder)/one/\(name)")) }
      let json = try PlanFile(plan, attaching: ["\(folder)/one/x", "\(folder)/one/y"]).json
      let needs = json["steps"]?.array?.map { $0["needs"] }
      #expect(needs == [nil, nil, ["attach-1", "attach-2"], ["a"]])
    }
  }

  @Test func `a plan without files is sent as it stands, for the server to judge, if it can be read at all`()
    async throws
  {
    try await withPlan("  7") { plan, folder in
      try Data().write(to: URL(filePath: "\(folder)/one/x"))
      #expect(try PlanFile(plan, attaching: []).json == ["steps": 7])
      #expect(try PlanFile(plan, attaching: ["\(folder)/one/x"]).json == ["steps": 7])
      try Data([0xFF]).write(to: URL(filePath: plan))
      let error = #expect(throws: SimplonError.self) { try PlanFile(plan, attaching: []) }
      #expect(error?.code == .requestInvalid)
    }
  }

  @Test func `what cannot be attached is refused before anything is sent`() async throws {
    try await withPlan("  - { id: a, tool: noop }") { plan, folder in
      for name in ["one/x", "two/x", "one/${{ run.id }}"] { try Data().write(to: URL(filePath: "\(folder)/\(name)")) }
      for files in [["\(folder)/one/x", "\(folder)/two/x"], ["\(folder)/one/${{ run.id }}"], ["\(folder)/none"]] {
        let error = #expect(throws: SimplonError.self) { try PlanFile(plan, attaching: files) }
        #expect(error?.code == .requestInvalid)
      }
    }
  }

  @Test(arguments: [
    ("a/b.txt", "out/a/b.txt"), ("../../b", "out/b"), ("/etc/./b", "out/etc/b"), ("../\u{301}b", "out/\u{301}b"),
    ("a/..\u{2F}\u{338}/../b", "out/a/\u{338}/b"),
  ])
  func `the demo saves nothing outside of its folder`(_ name: String, _ expected: String) {
    #expect(Array(DemoCommand.place(of: name, in: "out").utf8) == Array(expected.utf8))
  }
}
