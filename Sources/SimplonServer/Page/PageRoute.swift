import HTTPTypes
import Hummingbird
import NIOCore
import SimplonCore

/// The live page at `/`: a caller of the agent API like any other, in a browser.
///
/// What it shows of a run is written by whoever and whatever made the run. So its policy lets nothing run but the
/// files here, and no script make markup out of text.
extension Route {
  /// `/` and the files that the page loads, under `/page`.
  static var page: [Route] { PageFile.all.map { route(for: $0) } }

  private static let pagePolicy = [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
    // Images that a run made are fetched with the token and shown from memory.
    "img-src 'self' blob:",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].joined(separator: "; ")

  private static func route(for file: PageFile) -> Route {
    var headers: HTTPFields = [
      // Asked for again each time: after an upgrade no file is older than another.
      .cacheControl: "no-cache", .eTag: file.tag, .contentSecurityPolicy: pagePolicy, .xContentTypeOptions: "nosniff",
      .referrerPolicy: "no-referrer", .crossOriginOpenerPolicy: "same-origin",
      .crossOriginResourcePolicy: "same-origin",
    ]
    let known = Response(status: .notModified, headers: headers)
    headers[.contentType] = "\(file.media); charset=utf-8"
    let whole = Response(
      status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: file.bytes)))
    return Route(
      path: file.path, methods: [.get], name: "getPage", tag: "Page", summary: "The live page", answers: [],
      handler: .open { call in ETag.matches(call.request.headers[.ifNoneMatch], file.tag) ? known : whole })
  }
}
