import SimplonCore
import Testing

@testable import SimplonAgents

@Suite(.serialized, .timeLimit(.minutes(1))) struct FilesToolTests {
  private func layers(_ results: ToolResult...) throws -> [LayerStack.Layer] {
    var ancestors = Set<String>()
    return try results.enumerated().map { index, result in
      defer { ancestors.insert("s\(index)") }
      return LayerStack.Layer(stepID: "s\(index)", after: ancestors, manifest: try #require(result.layer))
    }
  }

  @Test func `what is written is read, listed, described, removed and seen by programs`() async throws {
    let playground = try await Playground()
    let written = try await playground.call("files", ["op": "write", "path": "a/b/c.txt", "content": "ü\n"])
    #expect(written.output["size"] == 3)
    #expect(written.layer?.entries.keys.map(\.text).sorted() == ["a", "a/b", "a/b/c.txt"])
    let one = try layers(written)
    let read = try await playground.call("files", ["op": "read", "path": "a/b/c.txt"], layers: one)
    #expect(read.output["content"] == "ü\n" && read.output["encoding"] == "utf8" && read.layer == nil)
    let list = try await playground.call("files", ["op": "list"], layers: one)
    #expect(list.output["entries"]?.array?.map { $0["path"] } == ["a", "a/b", "a/b/c.txt"])
    let below = try await playground.call("files", ["op": "list", "path": "a/b"], layers: one)
    #expect(below.output["entries"]?.array?.count == 1 && below.output["truncated"] == false)
    let stat = try await playground.call("files", ["op": "stat", "path": "a/b"], layers: one)
    #expect(stat.output == ["path": "a/b", "exists": true, "kind": "directory", "mode": 493])
    let missing = try await playground.call("files", ["op": "stat", "path": "nothing"], layers: one)
    #expect(missing.output == ["path": "nothing", "exists": false])
    #expect(try await playground.shell("cat a/b/c.txt && echo x >>a/b/c.txt && echo y >a/y", layers: one).error == nil)
    let removed = try await playground.call("files", ["op": "remove", "path": "a/b"], layers: one)
    #expect(removed.output["removed"] == 2)
    #expect(try await playground.shell("find .", layers: try layers(written, removed)).stdout == ".\n./a\n")
  }

  @Test func `bytes go in and out as base64`() async throws {
    let playground = try await Playground()
    let written = try await playground.call(
      "files", ["op": "write", "path": "x", "content": "AP8=", "encoding": "base64"])
    let one = try layers(written)
    #expect(try await playground.shell("wc -c <x", layers: one).stdout == "2\n")
    let read = try await playground.call("files", ["op": "read", "path": "x", "encoding": "base64"], layers: one)
    #expect(read.output["content"] == "AP8=")
    #expect(try await playground.call("files", ["op": "read", "path": "x"], layers: one).error?.code == .toolInput)
    let wrong = try await playground.call("files", ["op": "write", "path": "x", "content": "?", "encoding": "base64"])
    #expect(wrong.error?.code == .toolInput)
  }

  @Test(
    arguments: [
      ["op": "write", "path": "../x", "content": "x"], ["op": "write", "path": "/etc/x", "content": "x"],
      ["op": "write", "path": "d", "content": "x"], ["op": "write", "path": "f/x", "content": "x"],
      ["op": "write", "path": "l", "content": "x"], ["op": "write", "path": "l/x", "content": "x"],
      ["op": "read", "path": "d"], ["op": "read", "path": "nothing"], ["op": "read", "path": "l"],
      ["op": "list", "path": "f"], ["op": "list", "path": "nothing"], ["op": "list", "path": ".."],
      ["op": "remove", "path": "nothing"], ["op": "remove", "path": "l/x"],
    ] as [JSON])
  func `a path that is not what it must be fails the step`(_ input: JSON) async throws {
    let playground = try await Playground()
    let base = try await playground.shell("mkdir d; echo x >d/x; echo x >f; ln -s d l")
    let result = try await playground.call("files", input, layers: try layers(base))
    #expect(result.error?.code == .toolPath)
  }

  @Test(
    arguments: [
      ["op": "read"], ["op": "write", "path": "x"], ["op": "write", "content": "x"], ["op": "nonsense", "path": "x"],
      [:],
      ["op": "read", "path": "x", "more": 1],
    ] as [JSON])
  func `an operation that is not whole fails the step`(_ input: JSON) async throws {
    #expect(try await Playground().call("files", input).error?.code == .toolInput)
  }

  @Test func `writing the same again leaves no layer`() async throws {
    let playground = try await Playground()
    let one = try await playground.call("files", ["op": "write", "path": "x", "content": "x"])
    let again = try await playground.call(
      "files", ["op": "write", "path": "x", "content": "x"], layers: try layers(one))
    #expect(again.layer == nil && again.error == nil)
  }

  @Test func `a file that is too long to read is refused`() async throws {
    let playground = try await Playground()
    let base = try await playground.shell("head -c 2000000 /dev/zero >big")
    let result = try await playground.call("files", ["op": "read", "path": "big"], layers: try layers(base))
    #expect(result.error?.code == .toolLimit)
  }
}
