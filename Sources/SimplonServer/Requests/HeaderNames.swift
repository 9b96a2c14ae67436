import HTTPTypes

/// The header names we use beyond the well-known ones. Building a name checks and lowercases it, hence once for all.
extension HTTPField.Name {
  static let apikey = known("apikey")
  static let idempotencyKey = known("idempotency-key")
  static let lastEventID = known("last-event-id")
  static let xRequestID = known("x-request-id")
  static let xForwardedFor = known("x-forwarded-for")
  static let xAccelBuffering = known("x-accel-buffering")
  static let referrerPolicy = known("referrer-policy")
  static let crossOriginOpenerPolicy = known("cross-origin-opener-policy")

  private static func known(_ name: String) -> HTTPField.Name {
    guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is no header name") }
    return name
  }
}
