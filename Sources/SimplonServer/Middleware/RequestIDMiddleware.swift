import Hummingbird
import Logging
import Synchronization

/// Gives each request an id, the caller's `X-Request-Id` where it is a good one, else ours.
///
/// It goes into the answer and onto every log line.
final class RequestIDMiddleware: RouterMiddleware {
  private let logger: Logger
  private let prefix = String(UInt64.random(in: .min ... .max), radix: 36)
  private let count = Atomic<UInt64>(0)

  /// The logger is what each request's begins from.
  init(logger: Logger) { self.logger = logger }

  func handle(_ request: Request, context: ServerContext, next: Next) async throws -> Response {
    let sent = request.headers[.xRequestID]
    let id = sent.flatMap { Self.isGood($0) ? $0 : nil } ?? makeID()
    var context = context
    context.requestID = id
    // Hummingbird's own id would stand beside ours, and reading it back from a logger that keeps no metadata traps.
    context.logger = logger
    context.logger[metadataKey: "request_id"] = .string(id)
    var response = try await next(request, context)
    response.headers[.xRequestID] = id
    return response
  }

  private func makeID() -> String {
    "\(prefix)-\(String(count.wrappingAdd(1, ordering: .relaxed).newValue, radix: 36))"
  }

  /// Whether an id may stand in logs and headers as it is: 1 to 128 of `A-Z a-z 0-9 . _ -`.
  static func isGood(_ id: String) -> Bool {
    (1...128).contains(id.utf8.count)
      && id.utf8.allSatisfy { byte in
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
          || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || [0x2E, 0x5F, 0x2D].contains(byte)
      }
  }
}
