import FoundationEssentials
import HTTPTypes
import SimplonCore
import Testing

@testable import SimplonServer

@Suite(.timeLimit(.minutes(1))) struct ArtifactTests {
  @Test func `a file comes whole, safely and with its tag`() async throws {
    try await withServer { server in
      let id = try await server.store("chart ü.svg", "image/svg+xml", Array("<svg/>".utf8))
      let answer = try await server.send(.get, "/agent/artifacts/\(id.text)")
      #expect(answer.status == 200)
      #expect(answer.text == "<svg/>")
      #expect(answer.headers[.contentType] == "image/svg+xml")
      #expect(answer.headers[.contentLength] == "6")
      #expect(
        answer.headers[.contentDisposition]
          == "attachment; filename=\"chart _.svg\"; filename*=UTF-8''chart%20%C3%BC.svg")
      #expect(answer.headers[.xContentTypeOptions] == "nosniff")
      #expect(answer.headers[.contentSecurityPolicy] == "sandbox; default-src 'none'")
      #expect(answer.headers[.acceptRanges] == "bytes")
      let tag = try #require(answer.headers[.eTag])
      let known = try await server.send(.get, "/agent/artifacts/\(id.text)", headers: [.ifNoneMatch: tag])
      #expect(known.status == 304)
      #expect(known.text == "")
      #expect(known.headers[.eTag] == tag)
      let head = try await server.send(.head, "/agent/artifacts/\(id.text)")
      #expect(head.status == 200)
      #expect(head.headers[.contentLength] == "6")
      #expect(head.text == "")
      #expect(try await server.send(.post, "/agent/artifacts/\(id.text)").text == "<svg/>")
    }
  }

  @Test func `a range of a large file comes from the middle`() async throws {
    try await withServer(live: true) { server in
      let bytes = (0..<3_000_000).map { UInt8(ascii: "a") + UInt8($0 / 1000 % 26) }
      let id = try await server.store("data.bin", "application/octet-stream", bytes)
      let path = "/agent/artifacts/\(id.text)"
      let middle = try await server.send(.get, path, headers: [.range: "bytes=1000000-2499999"])
      #expect(middle.status == 206)
      #expect(middle.headers[.contentRange] == "bytes 1000000-2499999/3000000")
      #expect(middle.headers[.contentLength] == "1500000")
      #expect(Array(middle.text.utf8) == Array(bytes[1_000_000..<2_500_000]))
      #expect(try await server.send(.get, path).text.utf8.count == 3_000_000)
      let outside = try await server.send(.get, path, headers: [.range: "bytes=3000000-"])
      #expect(outside.status == 416)
      #expect(outside.code == "request.range")
      #expect(outside.headers[.contentRange] == "bytes */3000000")
      let stale = try await server.send(.get, path, headers: [.range: "bytes=0-1", .ifRange: "\"other\""])
      #expect(stale.status == 200)
    }
  }

  @Test func `an empty file is empty`() async throws {
    try await withServer { server in
      let id = try await server.store("empty", "text/plain", [])
      let answer = try await server.send(.get, "/agent/artifacts/\(id.text)")
      #expect(answer.status == 200)
      #expect(answer.text == "")
      #expect(answer.headers[.contentLength] == "0")
    }
  }

  @Test func `a file whose bytes are gone is a fault of ours at the same path`() async throws {
    try await withServer { server in
      let id = try await server.store("a", "text/plain", [1, 2, 3])
      try FileManager.default.removeItem(atPath: server.files)
      let answer = try await server.send(.get, "/agent/artifacts/\(id.text)")
      #expect(answer.status == 503)
      #expect(answer.code == "storage.unavailable")
      let metrics = try await server.send(.get, "/metrics", token: nil).text
      #expect(metrics.contains(#"http_requests_total{method="GET",route="/agent/artifacts/{id}",status="503"} 1"#))
    }
  }

  @Test func `somebody else's file, no file and no id are refused`() async throws {
    try await withServer { server in
      let id = try await server.store("a", "text/plain", [1])
      let theirs = try await server.send(.get, "/agent/artifacts/\(id.text)", token: server.stranger)
      #expect(theirs.status == 404)
      #expect(theirs.code == "run.artifact_not_found")
      #expect(try await server.send(.get, "/agent/artifacts/\(UUID().text)").code == "run.artifact_not_found")
      #expect(try await server.send(.get, "/agent/artifacts/x").code == "request.invalid")
      #expect(try await server.send(.get, "/agent/artifacts/\(id.text)", token: nil).code == "auth.missing")
      #expect(try await server.send(.get, "/agent/artifacts").code == "request.not_found")
    }
  }
}
