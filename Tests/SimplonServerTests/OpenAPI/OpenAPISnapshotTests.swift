import FoundationEssentials
import HTTPTypes
import SimplonCore
import Testing

@testable import SimplonServer

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The API's surface, pinned: a change shows in `docs/openapi.json`, which is what a reviewer reads.
///
/// `SIMPLON_WRITE_SNAPSHOTS=1` writes it anew.
@Suite(.timeLimit(.minutes(1))) struct OpenAPISnapshotTests {
  @Test func `the document is the one in the manual`() async throws {
    let here = try #require(realpath(#filePath, nil).map { String(cString: $0) })
    let root = here.split(separator: "/").dropLast(4).joined(separator: "/")
    let file = URL(filePath: "/\(root)/docs/openapi.json")
    try await withServer { server in
      let document = try await server.send(.get, "/openapi.json", token: nil).json
      let text = pretty(document) + "\n"
      if getenv("SIMPLON_WRITE_SNAPSHOTS") != nil { try Data(text.utf8).write(to: file) }
      let kept = String(decoding: try Data(contentsOf: file), as: UTF8.self)
      #expect(text == kept, "if this change is meant: SIMPLON_WRITE_SNAPSHOTS=1")
    }
  }
}

/// JSON with one member a line and sorted keys; what fits into one line stays there.
private func pretty(_ json: JSON, _ indent: String = "") -> String {
  let short = json.text
  if indent.utf8.count + short.utf8.count < 100 { return short }
  let inner = indent + "  "
  switch json {
  case .array(let items):
    return "[\n" + items.map { inner + pretty($0, inner) }.joined(separator: ",\n") + "\n\(indent)]"
  case .object(let members):
    let lines = members.sorted { $0.key < $1.key }.map {
      "\(inner)\(JSON.string($0.key).text): \(pretty($0.value, inner))"
    }
    return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
  default: return short
  }
}
