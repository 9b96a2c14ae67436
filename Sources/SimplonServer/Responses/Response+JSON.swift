import HTTPTypes
import Hummingbird
import NIOCore
import SimplonCore

extension Response {
  private static let jsonHeaders: HTTPFields = [
    .contentType: "application/json", .cacheControl: "no-store", .xContentTypeOptions: "nosniff",
  ]

  /// A JSON answer that nobody caches.
  static func json(_ value: JSON, status: HTTPResponse.Status = .ok) -> Response {
    json(ByteBuffer(bytes: value.utf8), status: status)
  }

  /// A JSON answer whose text is ready.
  static func json(text: String, status: HTTPResponse.Status = .ok) -> Response {
    json(ByteBuffer(string: text), status: status)
  }

  /// A JSON answer whose bytes are ready.
  static func json(_ text: ByteBuffer, status: HTTPResponse.Status = .ok) -> Response {
    Response(status: status, headers: jsonHeaders, body: ResponseBody(byteBuffer: text))
  }
}
