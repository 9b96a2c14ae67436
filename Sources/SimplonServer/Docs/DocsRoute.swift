import HTTPTypes
import Hummingbird
import NIOCore
import SimplonCore

/// The page that shows the OpenAPI document. It loads nothing from another host, and its policy forbids it to.
extension Route {
  /// `/docs`: the page.
  static var docs: Route { asset("/docs", "getDocs", "Shows this API to a person", "text/html", DocsPage.html) }

  /// `/docs/script.js`: what fills the page.
  static var docsScript: Route {
    asset("/docs/script.js", "getDocsScript", "The page's script", "text/javascript", DocsPage.script)
  }

  /// `/docs/style.css`: its looks.
  static var docsStyle: Route {
    asset("/docs/style.css", "getDocsStyle", "The page's looks", "text/css", DocsPage.style)
  }

  private static func asset(_ path: String, _ name: String, _ summary: String, _ media: String, _ text: String) -> Route
  {
    let answer = Response(
      status: .ok,
      headers: [
        .contentType: "\(media); charset=utf-8", .xContentTypeOptions: "nosniff", .cacheControl: "no-cache",
        .contentSecurityPolicy: "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
          + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      ], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    return Route(
      path: path, methods: [.get], name: name, tag: "Operation", summary: summary,
      answers: [Answer(status: 200, summary: media, media: media, schema: Schema.string)],
      handler: .open { _ in answer })
  }
}
