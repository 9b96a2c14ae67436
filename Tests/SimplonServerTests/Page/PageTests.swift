import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import SimplonAgents
import SimplonCore
import Testing

@testable import SimplonServer

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The page's files as the server gives them; what they do in a browser is shown by `Tests/Peers/test_page.py`.
@Suite(.timeLimit(.minutes(1))) struct PageTests {
  private static let policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    + "trusted-types 'none'"

  @Test func `the page is at the root, for anyone, under a strict policy`() async throws {
    try await withServer { server in
      let page = try await server.send(.get, "/", token: nil)
      #expect(page.status == 200)
      #expect(page.headers[.contentType] == "text/html; charset=utf-8")
      #expect(page.text.contains("<title>Simplon</title>"))
      #expect(try await server.send(.post, "/", [:], token: nil).code == "request.method")
    }
  }

  @Test(arguments: PageFile.all.map(\.name))
  func `a file has its type, its policy and a tag that saves its bytes`(_ name: String) async throws {
    let file = try #require(PageFile.all.first { $0.name == name })
    try await withServer { server in
      let whole = try await server.send(.get, file.path, token: nil)
      #expect(whole.status == 200)
      #expect(Array(whole.text.utf8) == file.bytes)
      let ending = String(name.split(separator: ".").last ?? "")
      let types = ["html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"]
      #expect(whole.headers[.contentType] == types[ending].map { "\($0); charset=utf-8" })
      #expect(whole.headers[.contentLength] == String(file.bytes.count))
      #expect(whole.headers[.contentSecurityPolicy] == Self.policy)
      #expect(whole.headers[.xContentTypeOptions] == "nosniff")
      #expect(whole.headers[.referrerPolicy] == "no-referrer")
      #expect(whole.headers[.crossOriginOpenerPolicy] == "same-origin")
      #expect(whole.headers[.crossOriginResourcePolicy] == "same-origin")
      #expect(whole.headers[.cacheControl] == "no-cache")
      let tag = try #require(whole.headers[.eTag])
      let known = try await server.send(.get, file.path, token: nil, headers: [.ifNoneMatch: tag])
      #expect(known.status == 304)
      #expect(known.text == "")
      #expect(known.headers[.eTag] == tag)
      let other = try await server.send(.get, file.path, token: nil, headers: [.ifNoneMatch: "\"other\""])
      #expect(other.status == 200)
      let head = try await server.send(.head, file.path, token: nil)
      #expect(head.status == 200)
      #expect(head.headers[.contentLength] == String(file.bytes.count))
      #expect(head.text == "")
    }
  }

  @Test func `tags of files that differ differ`() {
    #expect(Set(PageFile.all.map(\.tag)).count == PageFile.all.count)
  }

  @Test(arguments: ["/page", "/page/", "/page/nothing.js", "/page/index.html", "/index.html", "/page/app.js/x"])
  func `what is no file of the page is not there`(_ path: String) async throws {
    try await withServer { server in
      let answer = try await server.send(.get, path, token: nil)
      #expect(answer.status == 404)
      #expect(answer.code == "request.not_found")
    }
  }

  @Test func `the list holds every file of the folder`() throws {
    let here = try #require(realpath(#filePath, nil).map { String(cString: $0) })
    let root = here.split(separator: "/").dropLast(4).joined(separator: "/")
    let found = try FileManager.default.contentsOfDirectory(atPath: "/\(root)/Sources/SimplonServer/Page/Files")
    #expect(found.sorted() == PageFile.all.map(\.name).sorted())
  }

  @Test(arguments: PageFile.all.map(\.name))
  func `a file loads files of the page alone, and makes no markup out of text`(_ name: String) throws {
    let file = try #require(PageFile.all.first { $0.name == name })
    let text = String(decoding: file.bytes, as: UTF8.self)
    // The name of a namespace, which nobody fetches.
    let addresses = text.replacing("http://www.w3.org/2000/svg", with: "")
    #expect(!addresses.contains("://"))
    #expect(!addresses.contains("\"//"))
    #expect(!addresses.contains("'//"))
    for way in [
      "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "srcdoc", "eval(", "new Function",
      "javascript:", "style=", "onclick=", "onload=", "onerror=",
    ] {
      #expect(!text.contains(way), "\(way)")
    }
    let loading: [(before: String, folder: String)] = [
      ("from './", "/page/"), ("src=\"", ""), ("rel=\"stylesheet\" href=\"", ""),
    ]
    for (before, folder) in loading {
      for part in text.split(separator: before, omittingEmptySubsequences: false).dropFirst() {
        let path = folder + String(part.prefix { $0 != "'" && $0 != "\"" })
        #expect(PageFile.all.contains { $0.path == path }, "\(path)")
      }
    }
  }

  @Test func `a process that only works has no page`() async throws {
    let server = AgentServer(
      configuration: ServerConfiguration(host: "127.0.0.1", port: 0, version: "1.2.3"), door: nil,
      readiness: { Readiness(ready: true, details: [:]) }, metrics: PrometheusRegistry(),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    try await server.application.test(.router) { client in
      for path in ["/", "/page/app.js"] {
        let answer = try await client.executeRequest(uri: path, method: .get, headers: [:], body: nil)
        #expect(answer.status == .notFound)
      }
    }
  }
}
