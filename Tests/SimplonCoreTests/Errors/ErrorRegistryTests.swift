import Foundation
import SimplonCore
import Testing

struct ErrorRegistryTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..").standardizedFileURL

  @Test func `every code is listed once, in a known family, with a sentence`() throws {
    let names = SimplonError.Code.all.map(\.rawValue)
    #expect(Set(names).count == names.count)
    let families: Set = [
      "request", "auth", "run", "agent", "execution", "plan", "tool", "model", "storage", "database", "config",
      "dev", "migration", "server", "workflow", "schedule", "webhook", "schema",
    ]
    for code in SimplonError.Code.all {
      #expect(families.contains(String(code.rawValue.prefix { $0 != "." })), "\(code.rawValue)")
      #expect(code.meaning.hasSuffix("."), "\(code.rawValue)")
      #expect((400...599).contains(code.status))
    }
    let source = try String(
      contentsOf: Self.root.appending(path: "Sources/SimplonCore/Errors/ErrorRegistry.swift"), encoding: .utf8)
    #expect(source.components(separatedBy: "public static let ").count - 2 == names.count, "a code is missing in `all`")
  }

  @Test func `docs list exactly the registry`() throws {
    var text = """
      # Errors

      Every error is `{"code", "message", "details", "hint"}`. Codes are never renamed and never reused.
      This page is printed from the registry by a test; `SIMPLON_WRITE_DOCS=1 swift test --filter ErrorRegistry` renews it.

      | code | HTTP | meaning |
      | --- | --- | --- |

      """
    for code in SimplonError.Code.all { text += "| `\(code.rawValue)` | \(code.status) | \(code.meaning) |\n" }
    let page = Self.root.appending(path: "docs/errors.md")
    if ProcessInfo.processInfo.environment["SIMPLON_WRITE_DOCS"] != nil {
      try text.write(to: page, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: page, encoding: .utf8) == text)
  }

  @Test func `what a caller sees holds neither cause nor place`() {
    struct Secret: Error { let row = "secret row" }
    let error = SimplonError(.databaseQuery, "PostgreSQL refused a statement", cause: Secret())
    #expect(!error.description.contains("secret"))
    #expect(!error.json.text.contains("secret"))
    #expect(error.debugDescription.contains("secret row"))
    let wrapped = SimplonError(wrapping: Secret())
    #expect(wrapped.code == .serverInternal && !wrapped.json.text.contains("secret"))
    #expect(SimplonError(wrapping: error).code == .databaseQuery)
  }
}
