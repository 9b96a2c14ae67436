import Hummingbird
import NIOCore
import SimplonCore

/// Reads JSON bodies.
enum Body {
  /// The members of the JSON object that a request carries; none for an empty body.
  ///
  /// A client that waits for it is asked to send the body.
  ///
  /// - Throws: `request.too_large` above 4 MiB, `request.media_type` unless it is said to be JSON as it is,
  ///   `request.invalid` when it is not a JSON object.
  static func members(of request: Request, on channel: any Channel) async throws -> [String: JSON] {
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > ServerConfiguration.bodyLimit {
      throw SimplonError.tooLarge("body", length, limit: ServerConfiguration.bodyLimit)
    }
    if let coding = request.headers[.contentEncoding]?.lowercased(), coding != "identity" {
      throw SimplonError(
        .requestMediaType, "the body is encoded with \"\(coding.prefix(64))\"", hint: "send the JSON as it is")
    }
    if request.headers[.expect]?.lowercased() == "100-continue" {
      channel.triggerUserOutboundEvent(ConnectionRules.AsksForBody(), promise: nil)
    }
    let buffer: ByteBuffer
    do {
      buffer = try await request.body.collect(upTo: ServerConfiguration.bodyLimit)
    } catch is NIOTooManyBytesError {
      throw SimplonError.tooLarge("body", nil, limit: ServerConfiguration.bodyLimit)
    } catch let error as CancellationError {
      throw error
    } catch {
      throw SimplonError(.requestInvalid, "the body broke off", cause: error)
    }
    guard buffer.readableBytes > 0 else { return [:] }
    let type = request.headers[.contentType]?.prefix { $0 != ";" && $0 != " " }.lowercased()
    guard type == "application/json" else {
      throw SimplonError(
        .requestMediaType, "the body is \(type.map { "\"\($0.prefix(64))\"" } ?? "of no type"), not JSON",
        hint: "send the header `Content-Type: application/json`")
    }
    guard case .object(let members) = try JSON(parsing: buffer.readableBytesView) else {
      throw SimplonError(.requestInvalid, "the body must be a JSON object")
    }
    return members
  }
}
